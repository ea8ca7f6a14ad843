"""The frontier on a played clock, over many trees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.made_up_trees import Timed, made_up_tree
from raycl.plan.played import Span, played
from raycl.plan.reservation import Reservation
from raycl.plan.tree import Node
from raycl.sweep.frontier import Frontier
from raycl.sweep.room import Room
from tests.helpers import fakes

_TREES = given(
    st.randoms(use_true_random=False),
    st.integers(1, 40),
    st.sampled_from([(1,), (1, 2), (1, 2, 4), (3, 8)]),
    st.integers(1, 12),
    st.booleans(),
)


class _Watched(Frontier):
    """A frontier that looks, whenever it hands out nothing, whether it had to."""

    idle = ""

    def next(self) -> Node | None:
        node = super().next()
        if node is None and self._ready and self._room.fits(self.waiting[self._ready[0]]):
            self.idle = self._ready[0]
        if node is None:
            self._look_for_idle_slots()
        return node

    def _look_for_idle_slots(self) -> None:
        """Below the first node that does not fit, those have to wait that would make it wait."""
        waits = [self.waiting[name] for name in self._ready]
        for node in waits:
            if self._room.fits(node) and self._room.free >= 1:
                assert self._ends_late(node)

    def _ends_late(self, node: Node) -> bool:
        reserved = self._room._reserved
        assert reserved is not None
        ends = self._room._now + self._times[node.name]
        return ends > reserved.at and node.training.workers > reserved.spare


def _played(
    timed: Timed, slots: int, seconds: Mapping[str, float] | None = None
) -> tuple[_Watched, list[Span]]:
    known, seconds = timed.seconds, seconds or timed.seconds
    frontier = _Watched(timed.tree.nodes, slots=lambda: slots, time=lambda n: known[n.name])
    return frontier, played(frontier, lambda node, _: seconds[node.name])


@settings(max_examples=100, deadline=None)
@_TREES
def test_every_node_runs_once_after_its_parent_and_slots_are_never_exceeded(
    random: Random, count: int, workers: tuple[int, ...], slots: int, deep: bool
) -> None:
    timed = made_up_tree(random, count, workers, (1, 4), deep)
    frontier, spans = _played(timed, slots)
    assert sorted(span.name for span in spans) == sorted(n.name for n in timed.tree.nodes)
    assert not frontier.idle, "an idle slot while a node waits that fits, and none is reserved"
    ends = {span.name: span.end for span in spans}
    starts = {span.name: span.start for span in spans}
    for node in timed.tree.nodes:
        assert node.parent is None or starts[node.name] >= ends[node.parent]
    for moment in starts.values():
        held = [span.workers for span in spans if span.start <= moment < span.end]
        assert sum(held) <= slots or len(held) == 1  # one larger than all slots runs alone


@settings(max_examples=100, deadline=None)
@_TREES
def test_what_is_reserved_starts_when_it_was_promised(
    random: Random, count: int, workers: tuple[int, ...], slots: int, deep: bool
) -> None:
    timed = made_up_tree(random, count, workers, (1, 4), deep)
    # Without parents nothing more urgent comes up meanwhile.
    nodes, known = [replace(node, parent=None) for node in timed.tree.nodes], timed.seconds
    frontier = Frontier(nodes, slots=lambda: slots, time=lambda node: known[node.name])
    promises = _promises_of(frontier._room)
    for span in played(frontier, lambda node, _: known[node.name]):
        assert span.start <= promises.get(span.name, math.inf) * (1 + 1e-9)


def _promises_of(room: Room) -> dict[str, float]:
    """The first promise to each node, which is filled while the room makes reservations."""
    promises: dict[str, float] = {}
    reserve = room.reserve

    def promising(node: Node) -> Reservation:
        found = reserve(node)
        promises.setdefault(found.node, found.at)
        return found

    room.reserve = promising  # type: ignore[method-assign]
    return promises


def test_a_node_that_does_not_fit_gets_a_promise() -> None:
    """Else the test above would check nothing."""
    tree = fakes.make_tree([("a", None, 1), ("b", None, 2)])
    frontier = Frontier(tree.nodes, slots=lambda: 2)
    promises = _promises_of(frontier._room)
    while frontier.next():
        pass
    assert len(promises) == 1


@settings(max_examples=50, deadline=None)
@_TREES
def test_wrong_times_end_in_no_hang(
    random: Random, count: int, workers: tuple[int, ...], slots: int, deep: bool
) -> None:
    timed = made_up_tree(random, count, workers, (1, 4), deep)
    wrong = {name: own * random.uniform(0.1, 10) for name, own in timed.seconds.items()}
    _, spans = _played(timed, slots, wrong)
    assert len(spans) == count
