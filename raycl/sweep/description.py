"""Stores the description of a sweep, which is its recipe and its nodes, beside its results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from raycl.errors import InputError
from raycl.plan.state_index import StateIndex
from raycl.plan.tree import Tree
from raycl.recipe.definition import Definition
from raycl.recipe.merge_search import BEST_MERGE, PlannedMergeSearch
from raycl.recipe.merges import PlannedMerge
from raycl.recipe.resolution import stored_resolution
from raycl.recipe.stored_chains import stored_chains
from raycl.recipe.stored_recipe import proposal_problems, read_recipe, write_recipe
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.states.completeness import files_missing, read_marks
from raycl.states.earlier import earlier_names
from raycl.states.lookup import complete_states, list_states
from raycl.states.mark import REMEDY
from raycl.states.tree_record import (
    MergeRecord,
    NodeRecord,
    TreeRecord,
    change_tree_record,
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
    definition: Definition,
    storage: Storage,
    tree: Tree,
    merges: Sequence[PlannedMerge] = (),
    search: PlannedMergeSearch | None = None,
) -> None:
    """Write the sweep's recipe, tree and merges, for `raycl status` and `raycl report`.

    The best merge of a search has the name that was found for it, or one that stands for it.
    """
    name = definition.recipe.name
    write_recipe(storage, definition)
    records = _merge_records(merges)
    if search is not None:
        records.append(_best_merge(storage, name, search))
    write_tree_record(storage, name, _node_records(tree), records)


def add_to_description(
    storage: Storage, sweep: str, tree: Tree, merges: Sequence[PlannedMerge] = ()
) -> None:
    """Add what a tree has grown by to the description of its sweep, with the merges of its recipes.

    What is described already stays, since another process may have added it.
    """

    def added(before: TreeRecord | None) -> tuple[list[NodeRecord], Sequence[MergeRecord]]:
        known = {node.name: node for node in before.nodes} if before else {}
        own = {node.name: _of_both(node, known.get(node.name)) for node in _node_records(tree)}
        made = _merge_records(merges)
        labels = {merge.label for merge in made}
        others = (merge for merge in (before.merges if before else ()) if merge.label not in labels)
        return list((own | {n: known[n] for n in known if n not in own}).values()), [*made, *others]

    change_tree_record(storage, sweep, added)


def _of_both(node: NodeRecord, before: NodeRecord | None) -> NodeRecord:
    """The node with the recipes of both records."""
    others = before.recipes if before else ()
    return node.model_copy(update={"recipes": tuple(dict.fromkeys((*node.recipes, *others)))})


def describe_added(storage: Storage, sweep: str) -> None:
    """Describe the recipes that were added to a stored sweep, before a sweep takes them up.

    So commands know their nodes by label, and `raycl prune` keeps what they go on from. Raises
    InputError where the stored recipe cannot be planned.
    """
    definition, resolution = stored_definition(storage, sweep), stored_resolution(storage, sweep)
    plan = plan_sweeps((definition,), storage, resolution=resolution)
    add_to_description(storage, sweep, plan.tree, plan.sweeps[0].merges)


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


def write_best_merge(storage: Storage, sweep: str, search: PlannedMergeSearch, state: str) -> None:
    """Name the state of the best merge in the tree of a sweep that is described already."""

    def named(before: TreeRecord | None) -> tuple[Sequence[NodeRecord], list[MergeRecord]]:
        tree = before or read_tree_record(storage, sweep)
        others = [merge for merge in tree.merges if merge.label != BEST_MERGE]
        return tree.nodes, [*others, _search_record(search, state)]

    change_tree_record(storage, sweep, named)


def _best_merge(storage: Storage, sweep: str, search: PlannedMergeSearch) -> MergeRecord:
    """The record of the best merge as it stands; before it is found, under another merge's name.

    So what it is made of stays, and `raycl status` says that it is still to be made.
    """
    pending = _search_record(search, search.name(search.even))
    try:
        merges = read_tree_record(storage, sweep).merges
    except (FileNotFoundError, InputError):  # the first time, or it is about to be written anew
        return pending
    known = (merge for merge in merges if merge.label == BEST_MERGE)
    return next((merge for merge in known if merge.needs == search.needs), pending)


def _search_record(search: PlannedMergeSearch, state: str) -> MergeRecord:
    recipe = search.recipes[0]
    return MergeRecord(name=state, label=BEST_MERGE, recipe=recipe, needs=search.needs)


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


def progress(
    storage: Storage, name: str, whole: Collection[str] = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    """Each node of a stored sweep with how far it is, and what is damaged of them.

    `finished` is false of a node whose state has a damaged mark, or lacks a file. `saved` are the
    steps up to the deepest state inside a node that is not finished, and `training` says whether a
    sweep has it now. `told` is what somebody has asked of it or why it failed, if so. Requests: two
    listings of `states/`, a read of each node's mark and, where a node is not finished, those of
    `in_training`, `_saved`, `requests` and `failures`; and a read of each recipe that was added.
    Where all nodes are among `whole`, states that the caller knows to be complete, only the tree
    and those recipes are read. Raises InputError where the tree is damaged.
    """
    nodes = read_tree_record(storage, name).nodes
    if all(node.name in whole for node in nodes):
        lines = [_line(node, finished=True, saved=0, training=False, told="") for node in nodes]
        return lines, proposal_problems(storage, name)
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
        _line(
            node,
            finished=node.name not in names,
            saved=saved[node.name][0] if node.name in saved else 0,
            training=node.name in training,
            told=told.get(node.name, ""),
        )
        for node in nodes
    ]
    return lines, [*problems.values(), *unread, *proposal_problems(storage, name)]


def _line(
    node: NodeRecord, finished: bool, saved: int, training: bool, told: str
) -> dict[str, Any]:
    return {
        **node.model_dump(),
        "short": short_name(node.name),
        "finished": finished,
        "saved": saved,
        "training": training,
        "told": told,
    }


def trained_states(storage: Storage, name: str) -> list[str]:
    """The states up to which a stored sweep is trained: ends of nodes, or the deepest inside them.

    Requests as those of `progress`, without the marks. Raises FileNotFoundError where the sweep has
    no tree, InputError where it is damaged.
    """
    nodes, there = read_tree_record(storage, name).nodes, list_states(storage).bytes.keys()
    ends = [node.name for node in nodes if node.name in there]
    left = [node for node in nodes if node.name not in there]
    return [*ends, *(state for _, state in _saved(storage, name, left, there).values())]


def _saved(
    storage: Storage, sweep: str, left: Sequence[NodeRecord], states: Collection[str]
) -> dict[str, tuple[int, str]]:
    """The deepest state inside each node that is left: the node's steps before it, and its name.

    The sweep's chains are made again for this where a state may be such a one; a node for which
    this is not possible any more is left out, and so is one without such a state.
    """
    index = StateIndex(states)
    if not any(index.any_between(node.first_step, node.last_step) for node in left):
        return {}
    chains, found = stored_chains(storage)(sweep), {}
    for node in left:
        chain, _ = chains.get(node.recipes[0], (None, 0))
        if chain is None or chain.steps < node.last_step or chain.name(node.last_step) != node.name:
            continue
        inside = next(index.along(chain, node.last_step - 1, above=node.first_step), None)
        if inside is not None:
            found[node.name] = (inside[0] - node.first_step, inside[1])
    return found


def merges_left(storage: Storage, name: str, whole: Collection[str] | None = None) -> list[str]:
    """The labels of a stored sweep's merges whose state is not there. Raises InputError.

    `whole` are the complete states, where the caller knows them; else they are listed.
    """
    merges = read_tree_record(storage, name).merges
    if whole is None:
        whole = complete_states(storage, {merge.name for merge in merges}) if merges else ()
    there = frozenset(whole)
    return [merge.label for merge in merges if merge.name not in there]
