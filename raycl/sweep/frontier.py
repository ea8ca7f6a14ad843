"""Decides which node of the tree is trained next; pure bookkeeping, without Ray or storage."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol

from raycl.plan.order_of_work import Urgency, order_of_work
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
    its workers fit. Nodes of several workers come first, then those with most steps below them;
    no node overtakes one of several workers, or single ones would keep it out for ever. A node that
    `claims` says is another sweep's is passed over, and asked for again later.

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
    ) -> None:
        self._slots, self._concurrent = slots, concurrent
        self._claims = claims or Alone()
        self._nodes = {node.name: node for node in nodes}
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
        self._children: dict[str, dict[str, None]] = {}
        self._ready: list[str] = []
        self._enter(tuple(self.waiting.values()))

    def _urgencies(self) -> dict[str, Urgency]:
        return order_of_work(tuple(self._nodes.values()), self._done)

    def _enter(self, nodes: Sequence[Node]) -> None:
        """Let nodes that wait already be found by their parents, or start."""
        for node in nodes:
            if node.parent is not None:
                self._children.setdefault(node.parent, {})[node.name] = None
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

    def is_open(self, name: str) -> bool:
        """Whether the node is one of this tree, and neither done nor skipped."""
        return name in self.waiting or name in self.running or name in self.failed

    @property
    def has_work(self) -> bool:
        """Whether a node runs, or one could start that is not frozen, now or when it is resumed."""
        return bool(self.running) or any(name not in self.frozen for name in self._ready)

    @property
    def wants_more(self) -> bool:
        """Whether the cluster has room that neither ready nodes nor those after running ones take.

        A running node leaves its own workers to one child. Room is kept for its other children:
        what is proposed later is proposed with more known.
        """
        held = self.paused | self.frozen
        if any(name not in held for name in self._ready):
            return False
        room = self._free()
        if self._concurrent is not None:
            room = min(room, self._concurrent - len(self.running))
        for name in self.running:
            children = sum(child not in held for child in self._children.get(name, ()))
            room -= max(children - 1, 0)
        return room >= 1

    def next(self) -> Node | None:
        """The node to start now, which counts as running from here on; None: not yet."""
        if self._concurrent is not None and len(self.running) >= self._concurrent:
            return None
        place = 0
        while place < len(self._ready):
            name = self._ready[place]
            if name in self.paused or name in self.frozen:
                place += 1
                continue
            if not self._fits(self.waiting[name]):
                return None
            answer = self._claims.ask(name)
            if answer == "theirs":
                place += 1
                continue
            node = self.waiting.pop(name)
            del self._ready[place]
            if answer == "ours":
                self.running[name] = self._share(node)
                return node
            self.elsewhere.append(name)
            self._done.add(name)
            self._free_children(name)
            place = 0  # one of them may come first
        return None

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
        return self._slots() - sum(self.running.values())

    def _share(self, node: Node) -> int:
        """Workers that the node takes up: as many as it wants of those free, or its fewest."""
        wanted, fewest = node.training.workers, _fewest_workers(node)
        return wanted if fewest == wanted else int(max(fewest, min(wanted, self._free())))

    def put_back(self, name: str) -> None:
        """Let a node wait again that was started but not trained."""
        del self.running[name]
        self.waiting[name] = self._nodes[name]
        self._make_ready(name)

    def leave(self, name: str) -> None:
        """Let a node wait again that was left on purpose; other sweeps may take it meanwhile."""
        self._claims.give_back(name)
        self.put_back(name)

    def retry(self, name: str) -> tuple[str, ...]:
        """Let a failed node wait again, and what was skipped below it; returns these names."""
        del self.failed[name]
        lost, again = set(self.skipped), {name: self._nodes[name]}
        for node in self._nodes.values():  # parents come before their children
            if node.parent in again and node.name in lost:
                again[node.name] = node
        self.skipped = [node for node in self.skipped if node not in again]
        self.waiting |= again
        self._enter(tuple(again.values()))
        return tuple(again)

    def complete(self, name: str) -> None:
        """Book a node whose end state is in storage; its children may start."""
        self._claims.give_back(name)
        del self.running[name]
        self.finished.append(name)
        self._done.add(name)
        self._free_children(name)

    def fail(self, name: str, reason: str) -> tuple[str, ...]:
        """Book a node as failed, and all nodes below it as skipped; returns the skipped ones."""
        self._claims.give_back(name)
        del self.running[name]
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
