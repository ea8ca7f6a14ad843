"""The room that a sweep has for nodes: slots, what runs in them, and what is reserved."""

from __future__ import annotations

from collections.abc import Callable

from raycl.plan.reservation import Busy, Reservation, reservation
from raycl.plan.tree import Node

_MOST = 10_000
"""Slots of a cluster that has no end, in tests."""


class Room:
    """Slots for workers, and the nodes that run in them.

    There is no clock: a node that completes tells how much time has passed since it began, in the
    unit of the times that nodes are expected to take.
    """

    def __init__(
        self, slots: Callable[[], float], concurrent: int | None, is_shared: Callable[[], bool]
    ) -> None:
        self._slots, self._concurrent, self._is_shared = slots, concurrent, is_shared
        self._size = 0.0  # the slots, as they were at the last look
        self._now = 0.0
        self._ends: dict[str, float] = {}
        self._reserved: Reservation | None = None
        self.running: dict[str, int] = {}
        """The number of workers of each running node."""
        self.measuring = self.to_measure = 0
        """States that are measured, each on a slot, and those that wait for one."""

    def look(self) -> None:
        """Ask how many slots there are."""
        self._size = self._slots()

    @property
    def places(self) -> float:
        """How many further nodes may run, of any size."""
        unlimited = float("inf")
        return unlimited if self._concurrent is None else self._concurrent - len(self.running)

    @property
    def free(self) -> float:
        """Slots that are not used."""
        return self._size - sum(self.in_use)

    @property
    def in_use(self) -> tuple[int, ...]:
        """The workers of each running node, and of each state that is measured."""
        return (*tuple(self.running.values()), *(1,) * self.measuring)

    @property
    def for_measuring(self) -> int:
        """How many more states may be measured now."""
        alone = not self.running and not self.measuring and not self._is_shared()
        return max(int(min(self.free, _MOST)), int(alone))  # a cluster scales up for what waits

    @property
    def holds_smallest(self) -> bool:
        """Whether the smallest node would fit."""
        return self._concurrent is not None or self.free >= 1

    def fits(self, node: Node) -> bool:
        """Whether the node may start now, reservations aside."""
        workers = fewest_workers(node)
        if workers <= self.free:
            return True
        if self._is_shared():
            return False
        # Alone it is never refused: a cluster scales up for what waits.
        alone = not self.running and not self.measuring
        return alone or (workers == 1 and self._concurrent is not None)

    def share(self, node: Node) -> int:
        """Workers that the node takes up: as many as it wants of those free, or its fewest."""
        wanted, fewest = node.training.workers, fewest_workers(node)
        return wanted if fewest == wanted else int(max(fewest, min(wanted, self.free)))

    def end(self, node: Node, time: float) -> float:
        """When the node would end, if it were started now and took `time` with all its workers."""
        return self._now + time * node.training.workers / self.share(node)

    def reserve(self, node: Node) -> Reservation:
        """The reservation of a node that does not fit; an earlier one of its own is kept."""
        running = [Busy(n, max(self._ends[name], self._now)) for name, n in self.running.items()]
        before = self._reserved
        promised = before.at if before is not None and before.node == node.name else None
        needs = fewest_workers(node)
        self._reserved = reservation(node.name, needs, self._size, running, promised)
        return self._reserved

    def forget(self, name: str) -> None:
        """A node waits no more, so nothing is reserved for it."""
        if self._reserved is not None and self._reserved.node == name:
            self._reserved = None

    def enter(self, node: Node, time: float) -> None:
        """Book a node that starts."""
        self._ends[node.name] = self.end(node, time)
        self.running[node.name] = self.share(node)

    def leave(self, name: str) -> None:
        """Book a node that runs no more, and was not trained."""
        del self.running[name], self._ends[name]

    def complete(self, name: str) -> None:
        """Book a node that is trained."""
        self._now = max(self._now, self._ends[name])
        self.leave(name)


def fewest_workers(node: Node) -> int:
    """The least number of workers with which the node starts."""
    return node.training.fewest_workers or node.training.workers
