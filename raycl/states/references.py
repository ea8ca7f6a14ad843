"""Who refers to the stored states: nodes of stored sweeps, and evaluations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from raycl.errors import InputError
from raycl.evaluation.store import EVALUATIONS
from raycl.plan.chain import Chain
from raycl.recipe.definition import corpus_facts, definition_of, trainings
from raycl.states.inventory import StateFacts
from raycl.storage import Storage


@dataclass(frozen=True)
class SweepNode:
    """A node of a stored sweep, and the stored states inside it."""

    sweep: str
    name: str
    """Of its end state."""
    recipes: tuple[str, ...]
    inside: frozenset[str] = frozenset()
    """Stored states on its chain after its first step and before its end, left-overs included."""
    keep_last: int = 2
    """Intermediate states that its training keeps."""
    certain: bool = True
    """False where the chain could not be made again: `inside` then holds all that may be on it."""


@dataclass(frozen=True)
class Uses:
    """All that refers to states."""

    nodes: tuple[SweepNode, ...]
    evaluated: frozenset[str]


@dataclass(frozen=True)
class Referrers:
    """Who refers to one state."""

    recipes: Mapping[str, tuple[str, ...]]
    """By sweep: the recipes in whose nodes it lies."""
    states: tuple[str, ...]
    """Merged from it, or with a history that goes on from its own."""
    evaluated: bool


class _Remembered(Storage):
    """Reads each file once: the sweeps of a storage share their corpora."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage.url, storage.options, storage.retries)
        self._there: dict[str, bool] = {}
        self._read: dict[str, bytes] = {}

    def exists(self, path: str) -> bool:
        if path not in self._there:
            self._there[path] = super().exists(path)
        return self._there[path]

    def read_bytes(self, path: str) -> bytes:
        if path not in self._read:
            self._read[path] = super().read_bytes(path)
        return self._read[path]


def find_uses(storage: Storage, states: Sequence[StateFacts]) -> Uses:
    """Whatever in storage refers to one of `states`.

    Requests: a listing of `sweeps/` and one of `evaluations/`, and a read of each sweep's
    tree.json. Only where a state is the end of no node (an intermediate one, a left-over) it takes
    the recipe.yaml of the sweeps whose nodes pass its step, and at most four for each corpus.
    """
    trees = dict(_trees(storage))
    ends = {node["name"] for nodes in trees.values() for node in nodes}
    others = [s for s in states if s.name not in ends and not s.merged_from]
    remembered = _Remembered(storage) if others else storage
    nodes = [
        node
        for sweep, entries in trees.items()
        for node in _nodes(remembered, sweep, entries, others)
    ]
    return Uses(tuple(nodes), frozenset(storage.list(EVALUATIONS)))


def _trees(storage: Storage) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for sweep in storage.list("sweeps"):
        try:
            yield sweep, storage.read_json(f"sweeps/{sweep}/tree.json")
        except FileNotFoundError:  # no sweep, or one that has not begun
            continue


def _nodes(
    storage: Storage, sweep: str, entries: Sequence[Mapping[str, Any]], others: Sequence[StateFacts]
) -> Iterator[SweepNode]:
    by_step: dict[int, set[str]] = {}
    for state in others:
        by_step.setdefault(state.step, set()).add(state.name)
    passed = [[step for step in by_step if _passes(node, step)] for node in entries]
    chains = _chains(storage, sweep) if any(passed) else {}
    for node, steps in zip(entries, passed, strict=True):
        chain, keep_last = chains.get(node["recipes"][0], (None, SweepNode.keep_last))
        certain = not steps or (chain is not None and _fits(chain, node))
        inside = set().union(*(by_step[step] for step in steps))
        if chain is not None and certain:
            inside &= {chain.name(step) for step in steps}
        yield SweepNode(
            sweep, node["name"], tuple(node["recipes"]), frozenset(inside), keep_last, certain
        )


def _passes(node: Mapping[str, Any], step: int) -> bool:
    # Its end is included: a left-over of another chain's end may stand at the same step.
    return bool(node["first_step"] < step <= node["first_step"] + node["steps"])


def _fits(chain: Chain, node: Mapping[str, Any]) -> bool:
    """Whether the chain made again is the one that the node was planned from."""
    stop = int(node["first_step"] + node["steps"])
    return chain.steps >= stop and chain.name(stop) == node["name"]


def _chains(storage: Storage, sweep: str) -> dict[str, tuple[Chain, int]]:
    """Chain and `keep_last` of every recipe; none where the recipe cannot be resolved any more."""
    path = f"sweeps/{sweep}/recipe.yaml"
    try:
        definition = definition_of(yaml.safe_load(storage.read_bytes(path)), path)
        whole = trainings(definition, corpus_facts(definition, storage))
    except (InputError, FileNotFoundError, yaml.YAMLError):
        return {}
    return {
        label: (training.chain, training.execution.keep_last) for label, training in whole.items()
    }


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
