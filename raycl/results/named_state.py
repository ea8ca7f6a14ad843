"""A stored model as a person names it: a state, the label of a recipe, or `best`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from raycl.errors import InputError
from raycl.results.best_recipe import best_recipe
from raycl.states.lookup import complete_states, find_state, is_whole_name, matching_states
from raycl.states.tree_record import TreeRecord, stored_trees
from raycl.storage import Storage

BEST = "best"
"""The word for the finished recipe of a sweep with the lowest AVG."""
_SHOWN = 8


@dataclass(frozen=True)
class NamedState:
    """A complete state, and the recipe at whose end it was found; None where a state was named."""

    state: str
    sweep: str | None = None
    label: str | None = None


def named_state(storage: Storage, reference: str, sweep: str | None = None) -> NamedState:
    """The complete state that `reference` means.

    It is a state's name or unique beginning, the label of a recipe, a baseline or a merged model
    (its capitals do not matter where one row alone has it), or `best`: of a sweep's finished
    recipes and merged models, no baselines, the one with the lowest AVG of the results table.
    `sweep` names the sweep of a label and of `best`; it may be left out where one sweep alone is
    meant. Raises InputError, which says what to name instead.
    """
    if is_whole_name(storage, reference):
        return NamedState(reference)
    complete = complete_states(storage)
    if reference in complete:
        return NamedState(reference)
    trees = stored_trees(storage, sweep)
    found = [
        NamedState(end, name, label)
        for name, tree in trees.items()
        for label, end in _ends(tree).items()
        if label.casefold() == reference.casefold()
    ]
    exact = [entry for entry in found if entry.label == reference] or found
    if reference == BEST:
        return _best(storage, trees, exact)
    if not exact:
        return NamedState(_state(storage, reference, trees, complete))
    _check_one(f"{reference!r} in {storage.url}", exact, matching_states(complete, reference))
    if exact[0].state not in complete:
        raise InputError(
            f"recipe {exact[0].label!r} of the sweep {exact[0].sweep!r}",
            "it is not finished: its last state is not in storage",
            "Run `raycl sweep` with its recipe, or name a state: `raycl states`",
        )
    return exact[0]


def is_named(storage: Storage, reference: str, sweep: str | None = None) -> bool:
    """Whether the storage has a meaning for a reference, even if `named_state` refuses it."""
    labels = (label for tree in stored_trees(storage, sweep).values() for label in _ends(tree))
    known = reference == BEST or reference.casefold() in map(str.casefold, labels)
    return known or bool(matching_states(complete_states(storage), reference))


def _ends(tree: TreeRecord) -> dict[str, str]:
    """The last node of each recipe, since parents come before their children, and the merges."""
    ends = {label: node.name for node in tree.nodes for label in node.recipes}
    return ends | {merge.label: merge.name for merge in tree.merges}


def _best(
    storage: Storage, trees: Mapping[str, TreeRecord], labelled: Sequence[NamedState]
) -> NamedState:
    if labelled:
        raise InputError(
            f"{BEST!r} in {storage.url}",
            f"a recipe of the sweep {labelled[0].sweep!r} has the label {labelled[0].label!r}, so "
            "that the word has two meanings",
            f"Name the state: that recipe's is {labelled[0].state}; others: `raycl states`",
        )
    if len(trees) != 1:
        problem = f"{len(trees)} sweeps are there" if trees else "no sweep is there"
        names = ", ".join(trees)
        remedy = f"Name one with --sweep: {names}" if trees else "Name a state: `raycl states`"
        raise InputError(f"{BEST!r} in {storage.url}", problem, remedy)
    ((sweep, tree),) = trees.items()
    label, state = best_recipe(storage, sweep, tree)
    return NamedState(state, sweep, label)


def _state(
    storage: Storage, reference: str, trees: Mapping[str, TreeRecord], complete: Collection[str]
) -> str:
    """The state that a reference names which is no label. Raises InputError."""
    labels = list(dict.fromkeys(label for tree in trees.values() for label in _ends(tree)))
    if matching_states(complete, reference) or not labels:
        return find_state(storage, reference, complete)
    near = difflib.get_close_matches(reference, labels, n=1, cutoff=0.5)
    guess = f"Do you mean {near[0]!r}? " if near else ""
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    raise InputError(
        f"{reference!r} in {storage.url}",
        "neither a complete state nor a recipe",
        f"{guess}Recipes: {'; '.join(labels[:_SHOWN])}{more}. `raycl states` lists the states",
    )


def _check_one(where: str, found: Sequence[NamedState], begun: Sequence[str]) -> None:
    """Raise InputError where a label stands for several states.

    `begun` are the states whose names or hashes begin with the label.
    """
    others = [state for state in begun if state != found[0].state]
    if others:
        raise InputError(
            where,
            f"the label of a recipe and the beginning of the state {others[0]}",
            f"Write the whole name of the state; the recipe's is {found[0].state}",
        )
    if len({entry.state for entry in found}) == 1:
        return
    sweeps = list(dict.fromkeys(str(entry.sweep) for entry in found))
    if len(sweeps) > 1:
        problem = f"{len(sweeps)} sweeps have a recipe of this label, with different states"
        raise InputError(where, problem, f"Name one with --sweep: {', '.join(sweeps)}")
    labels = "; ".join(str(entry.label) for entry in found)
    raise InputError(where, "several recipes differ in capitals alone", f"Write one of: {labels}")
