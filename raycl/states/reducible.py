"""Which states may hold less from now on: their weights, or their results alone.

`reducible` decides from facts alone. Nothing is offered where a record that may refer to states
cannot be read. Otherwise the end of a node, or a merged state, may hold less if

- in each stored sweep that has it, all nodes that go on from it are finished;
- it is older than a given age;
- it is not among the states that someone asked to keep, such as the best of each sweep, and none
  of these was merged from it; and
- with `results`, no merge that a stored sweep still has to make needs its weights.

A merged state has no optimizer, so that `weights` leaves it as it is. With `results` it has to be
measured, since its losses are all that stays; whether a stored sweep still has it does not matter.
What `keep_every` keeps on the way and intermediate states are left as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from raycl.errors import InputError
from raycl.plan.holding import holds_enough
from raycl.states.inventory import StateFacts
from raycl.states.references import Uses

Less = Literal["weights", "results"]


def reducible(
    states: Collection[StateFacts],
    uses: Uses,
    to: Less,
    older_than: tuple[datetime, timedelta],
    keep: Collection[str] = (),
) -> list[StateFacts]:
    """The states that may hold no more than `to`, and those where such a change was killed.

    `older_than` is the time now, and the age that a state must have. Raises InputError where a
    record of `uses` could not be read.
    """
    if uses.damaged:
        raise InputError("prune", "nothing may go while a record cannot be read", uses.damaged[0])
    by_name = {state.name: state for state in states}
    now, age = older_than
    pending = _to_be_merged(uses, by_name) if to == "results" else []
    whole = _with_origins([*keep, *pending], by_name)
    merges = _measured_merges(uses, by_name) if to == "results" else []
    return [
        by_name[name]
        for name in [*_without_work_left(uses, by_name), *merges]
        if name not in whole and _is_old(by_name[name], now, age) and _holds_more(by_name[name], to)
    ]


def _measured_merges(uses: Uses, states: Mapping[str, StateFacts]) -> list[str]:
    return [name for name, state in states.items() if state.merged_from and name in uses.evaluated]


def _to_be_merged(uses: Uses, states: Mapping[str, StateFacts]) -> list[str]:
    """The states that the merges of stored sweeps which are not made yet are made of."""
    return [
        name
        for node in uses.nodes
        if node.name not in states or not states[node.name].complete
        for name in node.made_of
    ]


def _with_origins(names: Sequence[str], states: Mapping[str, StateFacts]) -> set[str]:
    """The states, and those from which they were merged, directly or through others."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += states[name].merged_from if name in states else ()
    return found


def _without_work_left(uses: Uses, states: Mapping[str, StateFacts]) -> list[str]:
    """The ends of finished nodes after which nothing is left to train; no merged states."""
    complete = {name for name, state in states.items() if state.complete}
    needed = {node.parent for node in uses.nodes if node.name not in complete}
    return [
        name
        for name in dict.fromkeys(node.name for node in uses.nodes)
        if name in complete and name not in needed and not states[name].merged_from
    ]


def _is_old(state: StateFacts, now: datetime, age: timedelta) -> bool:
    return state.written is not None and now - state.written > age


def _holds_more(state: StateFacts, to: Less) -> bool:
    """Whether a state holds more than `to`, or has files that its mark does not list any more."""
    mark = state.mark
    if mark is None:
        return False
    return not holds_enough(to, mark.holds) or (mark.holds == to and state.unlisted > 0)


def freed_bytes(state: StateFacts, to: Less) -> int:
    """The bytes that go, about, of a state whose weights were all trained.

    AdamW's two moments are then twice the weights.
    """
    if state.mark is None:
        return 0
    if state.mark.holds == to:
        return state.unlisted
    tensors = sum(
        facts.bytes for file, facts in state.mark.files.items() if file.endswith(".safetensors")
    )
    return state.unlisted + (tensors if to == "results" else tensors * 2 // 3)
