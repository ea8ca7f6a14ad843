"""Finds stored states that nothing needs any more, and removes them.

`removable` decides from facts alone and does not ask for leases. Where a record that may refer to
states cannot be read, nothing may go. Otherwise a state counts as needed if it is

- the end of a node of a stored sweep, or a state inside a node that is marked to stay;
- what a merge of a stored sweep is made of;
- one of the deepest states of a node that is not finished, since it may be training now;
- evaluated, or merged from a state that stays;
- younger than a given age; or
- a state that one of these was merged from, or whose history one of these goes on from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from raycl.errors import InputError
from raycl.states.inventory import StateFacts, facts_of
from raycl.states.mark import remove_state
from raycl.states.references import SweepNode, Uses
from raycl.storage import Storage, layout

DEFAULT_AGE = timedelta(days=1)


@dataclass(frozen=True)
class Removal:
    """A state that may go, and why."""

    state: StateFacts
    reason: str


def removable(
    states: Collection[StateFacts], uses: Uses, now: datetime, older_than: timedelta
) -> list[Removal]:
    """The states that may be removed, each after all states that need it.

    A state whose age is not known, or that was written after `now`, counts as young. Raises
    InputError where a record of `uses` could not be read.
    """
    if uses.damaged:
        raise InputError("prune", "nothing may go while a record cannot be read", uses.damaged[0])
    by_name = {state.name: state for state in states}
    young = {s.name for s in states if s.written is None or now - s.written <= older_than}
    kept = _with_needs(_wanted(by_name, uses) | young, by_name)
    while merged := {
        s.name for s in states if s.name not in kept and kept.intersection(s.merged_from)
    }:
        kept = _with_needs(kept | merged, by_name)
    going = {name: state for name, state in by_name.items() if name not in kept}
    inside = {name for node in uses.nodes for name in node.inside}
    return [Removal(state, _reason(state, inside)) for state in _dependents_first(going)]


def _wanted(states: Mapping[str, StateFacts], uses: Uses) -> set[str]:
    """Complete states that a stored sweep or an evaluation refers to."""
    wanted = {name for name in uses.evaluated if name in states}
    for node in uses.nodes:
        wanted |= _wanted_by(node, states) | set(node.made_of)
    return wanted


def _wanted_by(node: SweepNode, states: Mapping[str, StateFacts]) -> set[str]:
    end = states.get(node.name)
    inside = [states[name] for name in node.inside if name in states]
    if not node.certain:
        return {state.name for state in inside} | {node.name}
    complete = sorted((s for s in inside if s.complete), key=lambda s: (s.step, s.name))
    wanted = {state.name for state in complete if state.stays}
    if end is not None and end.complete:
        return wanted | {node.name}
    return wanted | {state.name for state in complete[-node.keep_last :]}


def _with_needs(names: Iterable[str], states: Mapping[str, StateFacts]) -> set[str]:
    """The names, and all states that these need, directly or through others."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found and name in states:
            found.add(name)
            pending += states[name].needs
    return found


def _dependents_first(states: Mapping[str, StateFacts]) -> Iterator[StateFacts]:
    """The states, each after all states that need it."""
    needed = dict.fromkeys(states, 0)
    for state in states.values():
        for name in set(state.needs).intersection(states):
            needed[name] += 1
    ready = sorted(name for name, count in needed.items() if count == 0)
    while ready:
        state = states[ready.pop()]
        yield state
        for name in set(state.needs).intersection(states):
            needed[name] -= 1
            if needed[name] == 0:
                ready.append(name)


def _reason(state: StateFacts, inside: Collection[str]) -> str:
    if not state.complete:
        return "left over by a killed writer"
    if state.merged_from:
        return "merged, and no sweep has its origins"
    if state.name in inside:
        return "intermediate, and its node has gone on"
    return "of no stored sweep"


def remove(
    storage: Storage, removals: Sequence[Removal], done: Callable[[Removal], None] = lambda _: None
) -> int:
    """Remove the states one after another, each mark first; the bytes of those that went.

    An interrupted call leaves at most a left-over, which the next call removes. Each state is read
    again right before it is removed: one that has changed meanwhile, since it was written anew or
    is to stay now, is left.
    """
    freed = 0
    for removal in removals:
        found = facts_of(storage, removal.state.name)
        empty = found.mark is None and found.modified is None
        if empty or found == removal.state:
            remove_state(storage, removal.state.name)
            storage.remove(layout.live_node(removal.state.name))
            freed += removal.state.bytes
            done(removal)
    return freed
