"""Stores the description of a sweep, which is its recipe and its nodes, beside its results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from raycl.errors import InputError
from raycl.plan.state_index import StateIndex
from raycl.plan.tree import Tree
from raycl.recipe.definition import Definition
from raycl.recipe.merges import PlannedMerge
from raycl.recipe.stored_chains import stored_chains
from raycl.recipe.stored_recipe import read_recipe, write_recipe
from raycl.states.completeness import files_missing, read_marks
from raycl.states.earlier import earlier_names
from raycl.states.lookup import complete_states, list_states
from raycl.states.mark import REMEDY
from raycl.states.tree_record import (
    MergeRecord,
    NodeRecord,
    read_tree_record,
    stored_sweeps,
    write_tree_record,
)
from raycl.storage import Storage
from raycl.sweep.in_training import in_training
from raycl.sweep.steering.names import short_name
from raycl.sweep.steering.status import told_of
from raycl.sweep.stopped_early import stopped_early


def write_description(
    definition: Definition, storage: Storage, tree: Tree, merges: Sequence[PlannedMerge] = ()
) -> None:
    """Write the sweep's recipe, tree and merges, for `raycl status` and `raycl report`."""
    name = definition.recipe.name
    write_recipe(storage, definition)
    write_tree_record(storage, name, _node_records(tree), _merge_records(merges))


def add_to_description(storage: Storage, sweep: str, tree: Tree) -> None:
    """Add what a tree has grown by to the description of its sweep.

    Nodes that are described already stay, since another process may have added them.
    """
    try:
        before = read_tree_record(storage, sweep)
        nodes, merges = before.nodes, before.merges
    except FileNotFoundError:
        nodes, merges = (), ()
    own = _node_records(tree)
    names = {node.name for node in own}
    others = (node for node in nodes if node.name not in names)
    write_tree_record(storage, sweep, [*own, *others], merges)


def _node_records(tree: Tree) -> list[NodeRecord]:
    return [
        NodeRecord(
            name=node.name,
            parent=node.parent,
            stage=node.training.stage,
            steps=node.steps,
            first_step=node.training.start,
            recipes=tuple(node.recipes),
        )
        for node in tree.nodes
    ]


def _merge_records(merges: Sequence[PlannedMerge]) -> list[MergeRecord]:
    return [MergeRecord(name=m.name, label=m.label, recipe=m.recipe, needs=m.needs) for m in merges]


def stored_definition(storage: Storage, name: str) -> Definition:
    """The definition of a sweep that this storage has seen. Raises InputError."""
    try:
        return read_recipe(storage, name)
    except FileNotFoundError as error:
        known = ", ".join(stored_sweeps(storage)) or "none"
        where = f"sweep {name!r} in {storage.url}"
        raise InputError(where, "not there", f"Known sweeps: {known}") from error


def check_names(storage: Storage, name: str) -> None:
    """Raise InputError where an earlier raycl named the states of a sweep.

    They cannot be found by its recipe, so that its results would be written anew without them.
    """
    try:
        nodes = read_tree_record(storage, name).nodes
    except FileNotFoundError:  # its recipe alone is stored
        return
    if earlier_names(node.name for node in nodes):
        raise InputError(
            f"sweep {name!r} in {storage.url}",
            "an earlier version of raycl named its states, which this one cannot recognise; its "
            "results stay as they are",
            "Write them with that version, or train the recipe again with `raycl sweep`",
        )


def progress(storage: Storage, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Each node of a stored sweep with how far it is, and what is damaged of them.

    `finished` is false of a node whose state has a damaged mark, or lacks a file. `saved` are the
    steps up to the deepest state inside a node that is not finished, and `training` says whether a
    sweep has it now. `told` is what somebody has asked of it or why it failed, if so. Requests: a
    listing of `states/`, a read of each node's mark and, where a node is not finished, those of
    `in_training`, `_saved`, `requests` and `failures`. Raises InputError where the tree is damaged.
    """
    nodes = read_tree_record(storage, name).nodes
    listing = list_states(storage)
    ends = [node.name for node in nodes if node.name in listing.bytes]
    marks, damaged = read_marks(storage, list(dict.fromkeys(ends)))
    problems = {state: str(error) for state, error in damaged.items()}
    problems |= {
        state: f"{problem}. {REMEDY}" for state, problem in files_missing(storage, marks).items()
    }
    left = [node for node in nodes if node.name not in marks or node.name in problems]
    saved = _saved(storage, name, left, listing.bytes.keys() - listing.reduced)
    names = {node.name for node in left}
    training = in_training(storage, names) if left else frozenset()
    told, unread = told_of(storage, names)
    if left:
        told = (
            stopped_early(
                storage, name, left, training | {node for node, steps in saved.items() if steps}
            )
            | told
        )
    lines = [
        {
            **node.model_dump(),
            "short": short_name(node.name),
            "finished": node not in left,
            "saved": saved.get(node.name, 0),
            "training": node.name in training,
            "told": told.get(node.name, ""),
        }
        for node in nodes
    ]
    return lines, [*problems.values(), *unread]


def _saved(
    storage: Storage, sweep: str, left: Sequence[NodeRecord], states: Collection[str]
) -> dict[str, int]:
    """How many steps of nodes that are left lie before the deepest state inside them.

    The sweep's chains are made again for this where a state may be such a one; a node for which
    this is not possible any more is left out.
    """
    index = StateIndex(states)
    if not any(index.any_between(node.first_step, node.last_step) for node in left):
        return {}
    chains, found = stored_chains(storage)(sweep), {}
    for node in left:
        chain, _ = chains.get(node.recipes[0], (None, 0))
        if chain is None or chain.steps < node.last_step or chain.name(node.last_step) != node.name:
            continue
        inside = index.along(chain, node.last_step - 1, above=node.first_step)
        found[node.name] = next((step - node.first_step for step, _ in inside), 0)
    return found


def merges_left(storage: Storage, name: str) -> list[str]:
    """The labels of a stored sweep's merges whose state is not there. Raises InputError."""
    merges = read_tree_record(storage, name).merges
    there = set(complete_states(storage, {merge.name for merge in merges})) if merges else set()
    return [merge.label for merge in merges if merge.name not in there]
