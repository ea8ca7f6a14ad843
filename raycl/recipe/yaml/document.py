"""A YAML document as plain data, with the line in which each of its values stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from raycl.errors import FieldError, InputError, shown
from raycl.recipe.yaml.compose import compose, place
from raycl.recipe.yaml.scalars import TEXT, kind_of, scalar_value
from raycl.recipe.yaml.source import read_source

_MERGE = "tag:yaml.org,2002:merge"
_MAPPING = "tag:yaml.org,2002:map"
_LIST = "tag:yaml.org,2002:seq"
_LONGEST_NAME = 200

Location = tuple[str | int, ...]
"""The way from the root to a value: names in mappings, numbers in lists."""


@dataclass(frozen=True)
class Mark:
    """The place of a value in its file, and its text as it was written there."""

    line: int
    """Counted from 1."""
    written: str | None
    """None for a list or a mapping."""


@dataclass(frozen=True)
class Document:
    """The data of a YAML document."""

    data: Any
    marks: Mapping[Location, Mark]

    def mark(self, location: Sequence[str | int], data: Any) -> Mark | None:
        """The mark of a field, or of what should hold it where it is missing.

        Parts of `location` that are no names in the document are passed over: validation adds the
        kind of a schedule. None for the whole document, and where `data`, which may be changed, has
        another value there.
        """
        own, way = self.data, list[str | int]()
        for part in location:
            if _has(own, part):
                own, data = own[part], data[part] if _has(data, part) else None
                way.append(part)
        same = type(own) is type(data) and own == data
        return self.marks.get(tuple(way)) if same and way else None


def _has(data: Any, part: str | int) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def read_document(path: Path) -> Document:
    """The document in a file. Raises InputError with file, line and column."""
    return parse_document(read_source(path), str(path))


def parse_document(text: str, where: str) -> Document:
    """The document in a text; `where` names its file in errors. Raises InputError.

    Mappings have names that are text, each once. `<<` takes over what other mappings hold.
    """
    root = compose(text, where)
    builder = _Builder(where)
    data = builder.value(root, ()) if root is not None else None
    return Document(data, builder.marks)


@dataclass
class _Builder:
    """Makes plain data of nodes; an alias becomes a copy of what it stands for."""

    where: str
    marks: dict[Location, Mark] = field(default_factory=dict)

    def value(self, node: Node, location: Location) -> Any:
        """The value of a node; the marks of all that is in it are kept."""
        written = node.value if isinstance(node, ScalarNode) else None
        self.marks[location] = Mark(node.start_mark.line + 1, written)
        if isinstance(node, MappingNode) and node.tag == _MAPPING:
            pairs = self._pairs(node)
            return {name: self.value(inner, (*location, name)) for name, inner in pairs.items()}
        if isinstance(node, SequenceNode) and node.tag == _LIST:
            return [self.value(inner, (*location, n)) for n, inner in enumerate(node.value)]
        if not isinstance(node, ScalarNode):
            name = node.tag.replace("tag:yaml.org,2002:", "!!")
            raise self._error(node, f"the YAML tag {name} has no meaning here", "Leave it out")
        try:
            return scalar_value(node)
        except FieldError as error:
            raise self._error(node, error.problem, error.remedy) from error

    def _pairs(self, node: MappingNode) -> dict[str, Node]:
        """The entries of a mapping, those that it merges first, as YAML orders them."""
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key, inner in node.value:
            name = self._name(key)
            line = key.start_mark.line + 1
            if name in lines:
                problem = f"{name!r} is given twice, in line {lines[name]} and in line {line}"
                raise self._error(key, problem, "Keep one of them")
            lines[name] = line
            if key.tag == _MERGE:
                for other in inner.value if isinstance(inner, SequenceNode) else [inner]:
                    for name_there, value in self._merged(other).items():
                        merged.setdefault(name_there, value)
            else:
                own[name] = inner
        return {**merged, **own}

    def _merged(self, node: Node) -> dict[str, Node]:
        if not isinstance(node, MappingNode):
            raise self._error(node, "<< takes over a mapping", "Give an alias of a mapping")
        return self._pairs(node)

    def _name(self, key: Node) -> str:
        """The name in front of a value. Raises InputError where it is not text."""
        if not isinstance(key, ScalarNode):
            problem = "a list or a mapping where a name belongs"
            raise self._error(key, problem, "Write a name; quote text that holds braces")
        if key.tag not in (TEXT, _MERGE):
            problem = f"YAML reads the name {shown(key.value)} as {kind_of(key.tag)}"
            raise self._error(key, problem, f"Quote it: '{key.value}'")
        if len(key.value) > _LONGEST_NAME:
            problem = f"a name of {len(key.value):,} characters: {shown(key.value)}"
            raise self._error(key, problem, f"Names have at most {_LONGEST_NAME}")
        return str(key.value)

    def _error(self, node: Node, problem: str, remedy: str) -> InputError:
        return InputError(place(self.where, node.start_mark), problem, remedy)
