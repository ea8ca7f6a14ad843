"""Nodes of stored sweeps as a person names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from raycl.errors import InputError, shown
from raycl.states.lookup import matching_states
from raycl.states.tree_record import (
    NodeRecord,
    TreeRecord,
    stored_trees,
)
from raycl.storage import Storage
from raycl.sweep.events import node_title

_SHOWN = 6
_STEPS = re.compile(r"(?P<stage>.+?)\s+(?P<first>[\d,]+)\s*[–-]\s*(?P<last>[\d,]+)(\s*\(.*\))?")
"""A node as events write it, `german 100–200 (replay 5%)`, or without what is in brackets."""
_SHORT = 12


def short_name(node: str) -> str:
    """Enough of the name of a node's end state to tell it from all others."""
    return node.rpartition("-")[2][:_SHORT]


@dataclass(frozen=True)
class NamedNode:
    """A node of the stored sweeps."""

    record: NodeRecord
    sweeps: tuple[str, ...]
    """The sweeps that have it."""

    @property
    def name(self) -> str:
        """The name of its end state."""
        return self.record.name

    @property
    def title(self) -> str:
        """Stage, steps and recipes, as events write them."""
        record = self.record
        return node_title(record.stage, record.first_step, record.last_step, record.recipes)


def stored_nodes(storage: Storage, sweep: str | None = None) -> dict[str, NamedNode]:
    """The nodes of a stored sweep, or of all of them, by name. Raises InputError."""
    found: dict[str, NamedNode] = {}
    for name, tree in _trees(storage, sweep).items():
        for node in tree.nodes:
            before = found[node.name].sweeps if node.name in found else ()
            found[node.name] = NamedNode(node, (*before, name))
    return found


def named_nodes(
    storage: Storage, reference: str | None, sweep: str | None = None, label: str | None = None
) -> list[NamedNode]:
    """The nodes that are meant: one that `reference` names, or all of the recipe called `label`.

    A reference is the name of a node's end state, the beginning of it or of its hash (4 characters
    or more), or stage and steps: `german 100–200`. With a label it names one of that recipe's
    nodes. Raises InputError where there is none, or more than one.
    """
    nodes = stored_nodes(storage, sweep)
    if label is not None:
        nodes = _of_recipe(storage, nodes, label)
    return list(nodes.values()) if reference is None else [_one(storage, nodes, reference)]


def only_sweep(storage: Storage, sweep: str | None) -> str:
    """The sweep that is named, or the only one of the storage. Raises InputError."""
    names = list(_trees(storage, sweep))
    if len(names) > 1:
        raise InputError("--sweep", f"{len(names)} sweeps here", f"Name one of: {', '.join(names)}")
    return names[0]


def _trees(storage: Storage, sweep: str | None) -> dict[str, TreeRecord]:
    found = stored_trees(storage, sweep)
    if not found:
        raise InputError(f"storage {storage.url!r}", "no sweep here", "Run `raycl sweep` first")
    return found


def _of_recipe(storage: Storage, nodes: dict[str, NamedNode], label: str) -> dict[str, NamedNode]:
    found = {name: node for name, node in nodes.items() if label in node.record.recipes}
    sweeps = {sweep for node in found.values() for sweep in node.sweeps}
    where = f"--label {shown(label)} in {storage.url}"
    if not found:
        labels = list(dict.fromkeys(each for n in nodes.values() for each in n.record.recipes))
        raise InputError(where, "no recipe is called so", f"Recipes: {_some(labels, '; ')}")
    if not set.intersection(*(set(node.sweeps) for node in found.values())):
        problem = f"{len(sweeps)} sweeps have a recipe of this label"
        raise InputError(where, problem, f"Name one with --sweep: {', '.join(sorted(sweeps))}")
    return found


def _one(storage: Storage, nodes: dict[str, NamedNode], reference: str) -> NamedNode:
    where = f"node {shown(reference)} in {storage.url}"
    matches = _by_steps(nodes, reference) or matching_states(nodes.keys(), reference)
    if not matches:
        raise InputError(where, "no such node", f"Nodes: {_listed(list(nodes.values()))}")
    if len(matches) > 1:
        found = [nodes[name] for name in matches]
        raise InputError(where, f"{len(found)} nodes are meant", f"Name one: {_listed(found)}")
    return nodes[matches[0]]


def _by_steps(nodes: dict[str, NamedNode], reference: str) -> list[str]:
    """Names of the nodes with this stage and these steps; of the recipe in brackets, if any has."""
    match = _STEPS.fullmatch(reference.strip())
    if match is None:
        return []
    first, last = (int(match[part].replace(",", "")) for part in ("first", "last"))
    wanted = (match["stage"], first, last)
    found = [
        node
        for node in nodes.values()
        if (node.record.stage, node.record.first_step, node.record.last_step) == wanted
    ]
    exact = [node for node in found if node.title == reference.strip()]
    return [node.name for node in exact or found]


def _listed(nodes: Sequence[NamedNode]) -> str:
    return _some([f"{short_name(node.name)} is {node.title}" for node in nodes], "; ")


def _some(texts: Sequence[str], between: str) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return between.join(texts[:_SHOWN]) + more
