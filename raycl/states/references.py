"""Who refers to the stored states: nodes of stored sweeps, and evaluations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.states.inventory import StateFacts
from raycl.states.tree_record import NodeRecord, TreeRecord, read_tree_record
from raycl.storage import Storage, layout
from raycl.storage.reading import is_file

ChainsOf = Callable[[str], Mapping[str, tuple[Chain, int]]]
"""A function from the name of a stored sweep to the chain and `keep_last` of each recipe."""


@dataclass(frozen=True)
class SweepNode:
    """A node of a stored sweep, and the stored states inside it; or one of its merges."""

    sweep: str
    name: str
    """Name of the node's end state."""
    recipes: tuple[str, ...]
    inside: frozenset[str] = frozenset()
    """Stored states on its chain after its first step and before its end, left-overs included."""
    keep_last: int = 2
    """Intermediate states that its training keeps."""
    certain: bool = True
    """False where the chain could not be computed again. `inside` then has all states that may lie
    on it."""
    parent: str | None = None
    """Name of the end state from which it goes on; None where training begins."""
    made_of: tuple[str, ...] = ()
    """Of a merge: the states that it is made of."""


@dataclass(frozen=True)
class Uses:
    """Everything in storage that refers to states."""

    nodes: tuple[SweepNode, ...]
    evaluated: frozenset[str]
    """States that were evaluated after their training."""
    damaged: tuple[str, ...] = ()
    """What is wrong with each record that could not be read: there may be further uses."""


@dataclass(frozen=True)
class Referrers:
    """Who refers to one state."""

    recipes: Mapping[str, tuple[str, ...]]
    """By the name of a sweep, the recipes of the nodes in which the state lies."""
    states: tuple[str, ...]
    """States that were merged from it, or whose history continues its own."""
    evaluated: bool


def find_uses(storage: Storage, states: Sequence[StateFacts], chains_of: ChainsOf) -> Uses:
    """Whatever in storage refers to one of `states`.

    Requests: a listing of `sweeps/` and one of `evaluations/`, and a read of each sweep's
    tree.json. `chains_of` is asked only about sweeps whose nodes pass the step of a state that is
    the end of no node: an intermediate state or a left-over.
    """
    trees, damaged = _trees(storage)
    ends = {node.name for tree in trees.values() for node in tree.nodes}
    others: dict[int, set[str]] = {}
    for state in states:
        if state.name not in ends and not state.merged_from:
            others.setdefault(state.step, set()).add(state.name)
    nodes = [
        node for sweep, tree in trees.items() for node in _nodes(sweep, tree, others, chains_of)
    ]
    damaged = [*(state.damage for state in states if state.damage), *damaged]
    return Uses(tuple(nodes), frozenset(storage.list(layout.EVALUATIONS)), tuple(damaged))


def _trees(storage: Storage) -> tuple[dict[str, TreeRecord], list[str]]:
    """The trees of all sweeps, and what is wrong with those that could not be read."""
    trees: dict[str, TreeRecord] = {}
    damaged = []
    for sweep in storage.list(layout.SWEEPS):
        if is_file(storage, layout.sweep(sweep)):  # of something else, such as .DS_Store
            continue
        try:
            trees[sweep] = read_tree_record(storage, sweep)
        except FileNotFoundError:
            # A folder of something else has no recipe either.
            if storage.exists(layout.sweep_recipe(sweep)):
                damaged.append(str(no_tree(storage, sweep)))
        except InputError as error:
            damaged.append(str(error))
    return trees, damaged


def no_tree(storage: Storage, sweep: str) -> InputError:
    """What is wrong with a sweep that has a recipe and no tree."""
    return InputError(
        storage.full_path(layout.sweep_tree(sweep)),
        "the file is missing, though the sweep has a recipe",
        "Run `raycl sweep` with its recipe again, or remove the folder of a sweep you do not want",
    )


def _nodes(
    sweep: str, tree: TreeRecord, others: Mapping[int, set[str]], chains_of: ChainsOf
) -> Iterator[SweepNode]:
    """The nodes of a sweep; `others` are the states that are the end of no node, by their step."""
    passed = [[step for step in others if _passes(node, step)] for node in tree.nodes]
    chains = chains_of(sweep) if any(passed) else {}
    for node, steps in zip(tree.nodes, passed, strict=True):
        chain, keep_last = chains.get(node.recipes[0], (None, SweepNode.keep_last))
        certain = not steps or (chain is not None and _fits(chain, node))
        inside = set().union(*(others[step] for step in steps))
        if chain is not None and certain:
            inside &= {chain.name(step) for step in steps}
        yield SweepNode(
            sweep, node.name, node.recipes, frozenset(inside), keep_last, certain, node.parent
        )
    # Nothing lies inside a merge, and what it is made of stays for it and with it.
    for merge in tree.merges:
        yield SweepNode(sweep, merge.name, (merge.label,), made_of=merge.needs)


def _passes(node: NodeRecord, step: int) -> bool:
    # Its end is included: a left-over of another chain's end may stand at the same step.
    return node.first_step < step <= node.last_step


def _fits(chain: Chain, node: NodeRecord) -> bool:
    """Whether the chain that was made again is the one that the node was planned from."""
    return chain.steps >= node.last_step and chain.name(node.last_step) == node.name


def referrers(states: Collection[StateFacts], uses: Uses) -> dict[str, Referrers]:
    """Who refers to each of the states, by its name."""
    needed: dict[str, list[str]] = {}
    for state in states:
        for name in dict.fromkeys(state.needs):
            needed.setdefault(name, []).append(state.name)
    recipes: dict[str, dict[str, dict[str, None]]] = {}
    for node in uses.nodes:
        for name in (node.name, *node.inside):
            of_sweep = recipes.setdefault(name, {}).setdefault(node.sweep, {})
            of_sweep.update(dict.fromkeys(node.recipes))
    return {
        state.name: Referrers(
            {sweep: tuple(labels) for sweep, labels in recipes.get(state.name, {}).items()},
            tuple(needed.get(state.name, ())),
            state.name in uses.evaluated,
        )
        for state in states
    }
