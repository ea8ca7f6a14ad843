"""Stores the description of a sweep, which is its recipe and its nodes, beside its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raycl.errors import InputError
from raycl.plan.tree import Tree
from raycl.recipe.definition import Definition
from raycl.recipe.merges import PlannedMerge
from raycl.recipe.stored_recipe import read_recipe, write_recipe
from raycl.states.completeness import files_missing, read_marks
from raycl.states.earlier import earlier_names
from raycl.states.lookup import complete_states
from raycl.states.mark import REMEDY
from raycl.states.tree_record import (
    MergeRecord,
    NodeRecord,
    read_tree_record,
    stored_sweeps,
    write_tree_record,
)
from raycl.storage import Storage


def write_description(
    definition: Definition, storage: Storage, tree: Tree, merges: Sequence[PlannedMerge] = ()
) -> None:
    """Write the sweep's recipe, tree and merges, for `raycl status` and `raycl report`."""
    name = definition.recipe.name
    write_recipe(storage, definition)
    nodes = [
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
    records = [
        MergeRecord(name=m.name, label=m.label, recipe=m.recipe, needs=m.needs) for m in merges
    ]
    write_tree_record(storage, name, nodes, records)


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
    """Each node of a stored sweep with whether it is finished, and what is damaged of them.

    A node whose state has a damaged mark, or lacks a file, is not finished. Requests: a listing of
    `states/`, and a read of each node's mark. Raises InputError where the tree is damaged.
    """
    nodes = read_tree_record(storage, name).nodes
    marks, damaged = read_marks(storage, complete_states(storage, {node.name for node in nodes}))
    problems = {state: str(error) for state, error in damaged.items()}
    problems |= {
        state: f"{problem}. {REMEDY}" for state, problem in files_missing(storage, marks).items()
    }
    lines = [
        {**node.model_dump(), "finished": node.name in marks and node.name not in problems}
        for node in nodes
    ]
    return lines, list(problems.values())


def merges_left(storage: Storage, name: str) -> list[str]:
    """The labels of a stored sweep's merges whose state is not there. Raises InputError."""
    merges = read_tree_record(storage, name).merges
    there = set(complete_states(storage, {merge.name for merge in merges})) if merges else set()
    return [merge.label for merge in merges if merge.name not in there]
