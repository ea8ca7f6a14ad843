"""YAML text as a tree of nodes, within limits that are checked before anything is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node

from raycl.errors import InputError

DEEPEST = 40
"""Levels of lists and mappings inside each other; recipes have about eight."""
MOST_VALUES = 20_000
"""Values of a document after its aliases are replaced by what they stand for. A recipe has
hundreds; so many are read in a second."""

_PYTHON = "tag:yaml.org,2002:python"
_LESS = "Write less, and without aliases where they repeat much"
_SYNTAX = "Correct it there; quote text that holds ': ', ' #' or begins with a special character"
_REMEDIES = {
    "'\\t'": "Indent with spaces instead of tabs",
    "found undefined alias": "Define it before with & and the same name",
    "expected a single document": "Keep one document: the part before or after the line ---",
    "special characters are not allowed": "Remove the character, or write it as an escape in "
    "double quotes",
}


@dataclass(frozen=True)
class _Size:
    """The extent of a node with its aliases replaced."""

    values: int
    depth: int


class _Loader(yaml.SafeLoader):
    """PyYAML's loader up to the nodes; it stops at cycles, at depth, and at too many values."""

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self._depth = 0
        self._sizes: dict[int, _Size] = {}
        """By the id of a finished node; a node that is still open is not in it."""
        super().__init__(text)

    def compose_node(self, parent: Any, index: Any) -> Node | None:
        """A node; see `yaml.composer`. Raises InputError beyond a limit."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        is_alias = isinstance(event, yaml.AliasEvent)
        self._depth += not is_alias
        if len(self._sizes) > MOST_VALUES:
            raise self._error(event.start_mark, f"more than {MOST_VALUES:,} values up to here")
        if self._depth > DEEPEST:
            raise self._error(event.start_mark, f"more than {DEEPEST} levels inside each other")
        node: Any = super().compose_node(parent, index)
        if node.tag.startswith(_PYTHON):
            name = node.tag.replace(_PYTHON, "!!python")
            raise self._error(event.start_mark, f"the YAML tag {name} is never read", "Remove it")
        self._depth -= not is_alias
        if not is_alias:
            self._sizes[id(node)] = self._size(node)
        elif id(node) not in self._sizes:
            raise self._error(event.start_mark, f"*{event.anchor} stands for itself, in a circle")
        elif self._depth + self._sizes[id(node)].depth > DEEPEST:
            raise self._error(event.start_mark, f"more than {DEEPEST} levels inside each other")
        return node  # type: ignore[no-any-return]

    def _size(self, node: Node) -> _Size:
        inner: list[Any] = node.value if isinstance(node, CollectionNode) else []
        if isinstance(node, MappingNode):
            inner = [part for pair in node.value for part in pair]
        sizes = [self._sizes[id(part)] for part in inner]
        values = 1 + sum(size.values for size in sizes)
        if values > MOST_VALUES:
            problem = f"{values:,} values with all aliases written out; at most {MOST_VALUES:,}"
            raise self._error(node.start_mark, problem)
        return _Size(values, 1 + max((size.depth for size in sizes), default=0))

    def _error(self, mark: Any, problem: str, remedy: str = _LESS) -> InputError:
        return InputError(place(self.where, mark), problem, remedy)


def place(where: str, mark: Any) -> str:
    """The file with the line and column of one of PyYAML's marks, as editors jump to it."""
    return where if mark is None else f"{where}:{mark.line + 1}:{mark.column + 1}"


def compose(text: str, where: str) -> Node | None:
    """The root node of a text with one YAML document; None where it is empty.

    Raises InputError, with line and column, for a text that is no YAML, holds several documents,
    or goes beyond the limits above.
    """
    loader = None
    try:
        loader = _Loader(text, where)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise _unreadable(
            place(where, error.problem_mark or error.context_mark), problem
        ) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        problem = f"{error.reason} (U+{ord(text[error.position]):04X})"
        raise _unreadable(f"{where}:{line}:{column}", problem) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets errors of Python through, such as that of the escape "\UFFFFFFFF".
        mark = loader.get_mark() if loader else None
        raise _unreadable(place(where, mark), str(error)) from error


def _unreadable(where: str, problem: str) -> InputError:
    remedy = next((text for word, text in _REMEDIES.items() if word in problem), _SYNTAX)
    return InputError(where, f"not readable as YAML: {problem}", remedy)
