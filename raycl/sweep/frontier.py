"""Decides which node of the tree is trained next; pure bookkeeping, without Ray or storage."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol

from raycl.plan.order_of_work import Urgency, node_time, order_of_work
from raycl.plan.reservation import Busy, Reservation, reservation
from raycl.plan.tree import Node


class Claims(Protocol):
    """Decides which of several sweeps that share a storage trains a node."""

    def ask(self, node: str) -> Literal["ours", "theirs", "done"]:
        """Take the node if it is free: `ours`. Else another sweep trains it, or it is `done`."""

    def give_back(self, node: str) -> None:
        """Let other sweeps take the node."""


class Alone:
    """Claims for a sweep that shares its storage with no other: it may train every node."""

    def ask(self, node: str) -> Literal["ours", "theirs", "done"]:  # noqa: ARG002
        """Always `ours`."""
        return "ours"

    def give_back(self, node: str) -> None:
        """Do nothing, because no other sweep waits for the node."""


class Frontier:
    """The nodes that wait, run, are done or lost, at a constant cost for each node.

    `slots()` says how many workers the cluster holds. A node starts when its parent is done and
    its workers fit. The one with the longest path below it comes first, by the `time` of nodes in
    any unit (`raycl.plan.order_of_work`). Where that one does not fit, others overtake it only if
    they do not make it wait longer (`raycl.plan.reservation`). A node that `claims` says is another
    sweep's is passed over, and asked for again later.

    There is no clock: a node that completes tells how much of that time has passed since it began.

    The tree may grow while it is trained (`add`). A node that is paused does not start, and the
    sweep waits for it; one that is frozen does not start either, and the sweep ends without it and
    all below it. `resume` ends both.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        finished: Iterable[str] = (),
        slots: Callable[[], float] = lambda: math.inf,
        concurrent: int | None = None,
        claims: Claims | None = None,
        time: Callable[[Node], float] = node_time,
    ) -> None:
        self._slots, self._concurrent, self._time = slots, concurrent, time
        self._claims = claims or Alone()
        self._nodes = {node.name: node for node in nodes}
        self._times = {node.name: time(node) for node in nodes}
        self._size = 0.0  # the slots, as they were at the last question
        self._now = 0.0
        self._ends: dict[str, float] = {}
        self._reserved: Reservation | None = None
        self.existing = tuple(name for name in finished if name in self._nodes)
        self.finished: list[str] = []
        self.elsewhere: list[str] = []
        self.failed: dict[str, str] = {}
        self.skipped: list[str] = []
        self.running: dict[str, int] = {}
        """The number of workers of each running node."""
        self.paused: set[str] = set()
        self.frozen: set[str] = set()
        self._done = set(self.existing)
        self.waiting = {node.name: node for node in nodes if node.name not in self._done}
        self._order = self._urgencies()
        self._children: dict[str, list[str]] = {}
        self._ready: list[str] = []
        self._enter(tuple(self.waiting.values()))

    def _urgencies(self) -> dict[str, Urgency]:
        return order_of_work(tuple(self._nodes.values()), self._done, self._times)

    def _enter(self, nodes: Sequence[Node]) -> None:
        """Let nodes that wait already be found by their parents, or start."""
        for node in nodes:
            if node.parent is not None:
                self._children.setdefault(node.parent, []).append(node.name)
            if node.parent not in self.waiting and node.parent not in self.running:
                self._make_ready(node.name)

    def _make_ready(self, name: str) -> None:
        insort(self._ready, name, key=self._order.__getitem__)

    def add(self, nodes: Iterable[Node], finished: Iterable[str] = ()) -> tuple[Node, ...]:
        """Let the tree grow by nodes, parents before children; returns those that wait now.

        Nodes that the tree has already, and those named in `finished`, are no new work. What hangs
        on a node that has failed is skipped like everything below it.
        """
        new = [node for node in nodes if node.name not in self._nodes]
        there = set(finished)
        self._nodes |= {node.name: node for node in new}
        self._times |= {node.name: self._time(node) for node in new}
        found = [node.name for node in new if node.name in there]
        self._done.update(found)
        self.existing += tuple(found)
        lost = {*self.failed, *self.skipped}
        added = []
        for node in new:
            if node.name in there:
                continue
            if node.parent in lost:
                lost.add(node.name)
                self.skipped.append(node.name)
            else:
                self.waiting[node.name] = node
                added.append(node)
        self._order = self._urgencies()
        self._ready.sort(key=self._order.__getitem__)
        self._enter(added)
        return tuple(added)

    def pause(self, name: str) -> None:
        """Do not start the node until it is resumed; the sweep waits for it."""
        self.paused.add(name)

    def freeze(self, name: str) -> None:
        """Do not start the node until it is resumed; the sweep ends without it."""
        self.frozen.add(name)

    def resume(self, name: str) -> None:
        """Let a node start that was paused or frozen."""
        self.paused.discard(name)
        self.frozen.discard(name)

    @property
    def has_work(self) -> bool:
        """Whether a node runs, or one could start that is not frozen, now or when it is resumed."""
        return bool(self.running) or any(name not in self.frozen for name in self._ready)

    def next(self) -> Node | None:
        """The node to start now, which counts as running from here on; None: not yet."""
        if self._concurrent is not None and len(self.running) >= self._concurrent:
            return None
        self._size = self._slots() if self._ready else 0.0
        place, reserved = 0, None
        while place < len(self._ready) and (reserved is None or self._has_room):
            node = self.waiting[self._ready[place]]
            place += 1
            if node.name in self.paused or node.name in self.frozen:
                continue
            if not self._fits(node):
                reserved = reserved or self._reserve(node)
            elif reserved is None or reserved.lets(self._share(node), self._end(node)):
                answer = self._claims.ask(node.name)
                if answer == "ours":
                    self._start(node)
                    return node
                if answer == "done":
                    self._pass_by(node)
                    place, reserved = 0, None  # one of its children may come first
        return None

    @property
    def _has_room(self) -> bool:
        """Whether the smallest node would fit."""
        return self._concurrent is not None or self._free() >= 1

    def _start(self, node: Node) -> None:
        self._leave(node)
        self._ends[node.name] = self._end(node)
        self.running[node.name] = self._share(node)

    def _pass_by(self, node: Node) -> None:
        """Book a node that another sweep has trained."""
        self._leave(node)
        self.elsewhere.append(node.name)
        self._done.add(node.name)
        self._free_children(node.name)

    def _leave(self, node: Node) -> None:
        """Let the node wait no more."""
        del self.waiting[node.name]
        self._ready.remove(node.name)
        if self._reserved is not None and self._reserved.node == node.name:
            self._reserved = None

    def _end(self, node: Node) -> float:
        """When the node would end, if it were started now."""
        return self._now + self._times[node.name] * node.training.workers / self._share(node)

    def _reserve(self, node: Node) -> Reservation:
        """The reservation of a node that does not fit; an earlier one of its own is kept."""
        running = [Busy(n, max(self._ends[name], self._now)) for name, n in self.running.items()]
        before = self._reserved
        promised = before.at if before is not None and before.node == node.name else None
        needs = _fewest_workers(node)
        self._reserved = reservation(node.name, needs, self._size, running, promised)
        return self._reserved

    def _free_children(self, name: str) -> None:
        for child in self._children.get(name, ()):
            self._make_ready(child)

    def place(self, name: str) -> int:
        """The node's number in the tree, from 0."""
        return self._order[name].place

    def has_another(self, node: Node) -> bool:
        """Whether another node of as many workers waits, which could take over this one's."""
        size = _fewest_workers(node), node.training.workers
        return size != (1, 1) and any(
            (_fewest_workers(other), other.training.workers) == size
            for other in self.waiting.values()
        )

    def _fits(self, node: Node) -> bool:
        workers = _fewest_workers(node)
        if not self.running or workers <= self._free():
            return True  # alone it is never refused: a cluster scales up for what waits
        return workers == 1 and self._concurrent is not None

    def _free(self) -> float:
        return self._size - sum(self.running.values())

    def _share(self, node: Node) -> int:
        """Workers that the node takes up: as many as it wants of those free, or its fewest."""
        wanted, fewest = node.training.workers, _fewest_workers(node)
        return wanted if fewest == wanted else int(max(fewest, min(wanted, self._free())))

    def put_back(self, name: str) -> None:
        """Let a node wait again that was started but not trained."""
        del self.running[name], self._ends[name]
        self.waiting[name] = self._nodes[name]
        self._make_ready(name)

    def complete(self, name: str) -> None:
        """Book a node whose end state is in storage; its children may start."""
        self._claims.give_back(name)
        del self.running[name]
        self._now = max(self._now, self._ends.pop(name))
        self.finished.append(name)
        self._done.add(name)
        self._free_children(name)

    def fail(self, name: str, reason: str) -> tuple[str, ...]:
        """Book a node as failed, and all nodes below it as skipped; returns the skipped ones."""
        self._claims.give_back(name)
        del self.running[name], self._ends[name]
        self.failed[name] = reason
        lost = self.below(name)
        for node in lost:
            del self.waiting[node]
        self.skipped += lost
        return lost

    def below(self, name: str) -> tuple[str, ...]:
        """Names of all nodes below this one that are not in storage."""
        lost = list(self._children.get(name, ()))
        for child in lost:  # which grows meanwhile
            lost += self._children.get(child, ())
        return tuple(sorted(lost, key=lambda node: self._order[node].place))


def _fewest_workers(node: Node) -> int:
    return node.training.fewest_workers or node.training.workers
