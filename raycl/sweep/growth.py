"""A sweep whose tree grows while it is trained; bookkeeping without Ray or storage."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from raycl.plan.tree import Node
from raycl.sweep.frontier import Frontier

LOOK_SECONDS = 5.0
"""Seconds between two looks at what others have added."""
_MOST_LOST = 3
"""Additions in a row that cannot be trained, after which no more is asked for until a node ends."""


@dataclass(frozen=True)
class Addition:
    """What changes in the tree of a running sweep."""

    nodes: tuple[Node, ...] = ()
    """New nodes, parents before children; those that the tree has already are passed over."""
    finished: frozenset[str] = frozenset()
    """Those of them whose end state is in storage."""
    frozen: frozenset[str] = frozenset()
    """Nodes that must not start yet; the sweep does not wait for them."""
    thawed: frozenset[str] = frozenset()
    """Nodes that were frozen and may start now."""

    def __bool__(self) -> bool:
        return bool(self.nodes or self.thawed)


NOTHING = Addition()


class Growth(Protocol):
    """Decides what a running sweep trains besides the tree that it began with."""

    @property
    def frozen(self) -> frozenset[str]:
        """Nodes of the tree that it begins with that must not start yet."""

    @property
    def proposes(self) -> bool:
        """Whether `more` may add nodes that nobody else has asked for."""

    @property
    def measuring(self) -> int:
        """How many states are being measured, each on one worker's place."""

    @property
    def awaits(self) -> int:
        """How many states are measured, or are to be: the sweep does not end before."""

    def measure(self, places: int) -> bool:
        """Measure on at most so many more places; returns whether something was measured."""

    def look(self) -> Addition:
        """What others have added meanwhile; asked every few seconds."""

    def more(self, idle: bool) -> Addition:
        """What to train next, asked when no node is ready and there is room for one.

        `idle` says that nothing is trained or measured any more: the sweep ends unless something
        is added. It is asked then without room too, which the sweep waits for.
        """

    def ended(self, name: str) -> None:
        """Note that the end state of a node is in storage, whoever has trained it."""

    def lost(self, reasons: Mapping[str, str]) -> None:
        """Note nodes that have failed, or were skipped since one above them has; with reasons."""


class GrowingTree:
    """A frontier with what lets it grow; without a growth it is the frontier alone.

    `on_added` gets new nodes before one of them can start.
    """

    def __init__(
        self,
        frontier: Frontier,
        growth: Growth | None = None,
        on_added: Callable[[Sequence[Node]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._frontier, self._growth = frontier, growth
        self._on_added, self._clock = on_added, clock
        self._told_ends: set[str] = set(frontier.existing)
        self._told_losses: set[str] = set()
        self._next_look = clock() + LOOK_SECONDS
        self._has_news = True
        """Whether something has changed since the growth had nothing to add."""
        self._lost_in_a_row = 0
        for name in growth.frozen if growth else ():
            frontier.freeze(name)

    def next(self) -> Node | None:
        """The node to start now, which counts as running from here on; None: not yet."""
        if self._growth is None:
            return self._frontier.next()
        self.tell()
        self._measure(self._growth)
        self._look(self._growth)
        node = self._frontier.next()
        self.tell()  # nodes that the frontier has found to be done elsewhere
        while node is None and self._grow(self._growth):
            node = self._frontier.next()
        if node is None:
            self._frontier.expect(self._expected(self._growth))
        return node

    @property
    def awaits(self) -> bool:
        """Whether states are measured, or are to be, from which more to train may follow."""
        return self._growth is not None and self._growth.awaits > 0

    def begin(self) -> None:
        """Let a tree grow that has nothing to train yet."""
        node = self.next()
        if node is not None:
            self._frontier.put_back(node.name)

    def tell(self) -> None:
        """Tell the growth what has become of nodes since it was told last."""
        if self._growth is None:
            return
        frontier = self._frontier
        for name in (*frontier.finished, *frontier.elsewhere):
            if name not in self._told_ends:
                self._told_ends.add(name)
                self._has_news, self._lost_in_a_row = True, 0
                self._growth.ended(name)
        gone = dict.fromkeys(frontier.skipped, "a node above it has failed") | frontier.failed
        lost = {name: why for name, why in gone.items() if name not in self._told_losses}
        if lost:
            self._told_losses.update(lost)
            self._has_news = True
            self._growth.lost(lost)

    def _measure(self, growth: Growth) -> None:
        """Measure what is known already before more is trained."""
        if growth.awaits:
            self._has_news |= growth.measure(self._frontier.places_to_measure())
            self._frontier.measure_on(growth.measuring, growth.awaits - growth.measuring)

    def _look(self, growth: Growth) -> None:
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self._has_news = True
            self._take(growth.look())

    def _grow(self, growth: Growth) -> bool:
        """Take what the growth has to add, if there is room; returns whether the tree changed."""
        idle = not self._frontier.has_work and not growth.awaits
        if self._lost_in_a_row >= _MOST_LOST:
            return False
        if not idle and not (self._has_news and self._frontier.wants_more):
            return False
        added = growth.more(idle)
        self._has_news = bool(added)
        self._take(added)
        self._lost_in_a_row = self._lost_in_a_row + 1 if self._is_lost(added) else 0
        return bool(added)

    def _is_lost(self, added: Addition) -> bool:
        """Whether all that is to be trained of an addition lies below what failed or was stopped.

        Whatever else such a growth would propose may lie there too.
        """
        done = added.finished | added.frozen
        new = [node.name for node in added.nodes if node.name not in done]
        return bool(new) and not any(map(self._frontier.may_start, new))

    def _expected(self, growth: Growth) -> int:
        """Workers of the next node that the growth would add; 0 where it would add none."""
        going_on = self._has_news and self._lost_in_a_row < _MOST_LOST
        return self._frontier.latest_workers if growth.proposes and going_on else 0

    def _take(self, added: Addition) -> None:
        for name in added.frozen:
            self._frontier.freeze(name)
        self._on_added([node for node in added.nodes if node.name not in added.finished])
        self._frontier.add(added.nodes, added.finished)
        self._told_ends.update(added.finished)
        for name in added.thawed:
            self._frontier.thaw(name)


def frozen_below(nodes: Sequence[Node], limits: Mapping[str, float]) -> frozenset[str]:
    """Those of the nodes that begin at or after the limits of all recipes that they belong to.

    `limits` are steps of a recipe's chain by its label; a recipe without one is not limited.
    """
    unlimited = float("inf")
    return frozenset(
        node.name
        for node in nodes
        if all(node.training.start >= limits.get(label, unlimited) for label in node.recipes)
    )


def startable(nodes: Sequence[Node], finished: Collection[str], frozen: Collection[str]) -> bool:
    """Whether a node that is not finished neither is frozen nor lies below one that is."""
    blocked: set[str | None] = set()
    for node in nodes:
        if node.name in finished:
            continue
        if node.name not in frozen and node.parent not in blocked:
            return True
        blocked.add(node.name)
    return False
