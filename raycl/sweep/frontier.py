"""Decides which node of the tree is trained next; pure bookkeeping, without Ray or storage."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Sequence

from raycl.plan.order_of_work import Urgency, node_time, order_of_work
from raycl.plan.tree import Node
from raycl.sweep.claiming import Alone, Answer, Claims
from raycl.sweep.room import Room, fewest_workers


class Frontier:
    """The nodes that wait, run, are done or lost, at a constant cost for each node.

    `slots()` says how many workers the cluster holds. A node starts when its parent is done and
    its workers fit. The one with the longest path below it comes first, by the `time` of nodes in
    any unit (`raycl.plan.order_of_work`). Where that one does not fit, others overtake it only if
    they do not make it wait longer (`raycl.plan.reservation`). A node that `claims` says is another
    sweep's is passed over, and asked for again later. While `is_shared()`, others use the cluster
    too and `slots()` is this sweep's part of it, which no node exceeds.

    The tree may grow while it is trained (`add`). A node that is paused does not start, and the
    sweep waits for it; one that is frozen does not start either, and the sweep ends without it and
    all below it. `resume` ends both.
    """

    def __init__(  # noqa: PLR0913 (all but the nodes have a default that serves)
        self,
        nodes: Sequence[Node],
        finished: Iterable[str] = (),
        slots: Callable[[], float] = lambda: math.inf,
        concurrent: int | None = None,
        claims: Claims | None = None,
        is_shared: Callable[[], bool] = lambda: False,
        time: Callable[[Node], float] = node_time,
    ) -> None:
        self._room, self._time = Room(slots, concurrent, is_shared), time
        self._claims, self.is_shared = claims or Alone(), is_shared
        self._nodes = {node.name: node for node in nodes}
        self._times = {node.name: time(node) for node in nodes}
        self.existing = tuple(name for name in finished if name in self._nodes)
        self.finished: list[str] = []
        self.elsewhere: list[str] = []
        self.failed: dict[str, str] = {}
        self.skipped: list[str] = []
        self.starts = 0
        """How often a node has started."""
        self.theirs: set[str] = set()
        """Nodes that another sweep had when they were last asked for."""
        self.paused: set[str] = set()
        self.frozen: set[str] = set()
        self._stopped: set[str] = set()
        self._expected = self._kept = 0
        self._done = set(self.existing)
        self.waiting = {node.name: node for node in nodes if node.name not in self._done}
        self._order = self._urgencies()
        self._children: dict[str, dict[str, None]] = {}
        self._ready: list[str] = []
        self._enter(tuple(self.waiting.values()))

    def _urgencies(self) -> dict[str, Urgency]:
        return order_of_work(tuple(self._nodes.values()), self._done, self._times)

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

    def stop(self, name: str) -> None:
        """Freeze the node until it is resumed, whatever thaws it."""
        self.freeze(name)
        self._stopped.add(name)

    def thaw(self, name: str) -> None:
        """Let a node start that was frozen, and neither paused nor stopped."""
        if name not in self._stopped:
            self.frozen.discard(name)

    def resume(self, name: str) -> None:
        """Let a node start that was paused, stopped or frozen."""
        self.paused.discard(name)
        self.frozen.discard(name)
        self._stopped.discard(name)

    @property
    def running(self) -> dict[str, int]:
        """The number of workers of each running node."""
        return self._room.running

    def is_open(self, name: str) -> bool:
        """Whether the node is one of this tree, and neither done nor skipped."""
        return name in self.waiting or name in self.running or name in self.failed

    @property
    def has_work(self) -> bool:
        """Whether a node runs, or one could start that is not frozen, now or when it is resumed."""
        return bool(self.running) or any(name not in self.frozen for name in self._ready)

    @property
    def wants_more(self) -> bool:
        """Whether the cluster has room that neither ready nodes nor those below others take.

        What is proposed later is proposed with more known: see `_kept_room`.
        """
        if any(name not in self._held and name not in self.theirs for name in self._ready):
            return False
        self._room.look()
        return min(self._room.free, self._room.places) - self._kept_room() >= 1

    def places_to_measure(self) -> int:
        """On how many more workers' places states may be measured now."""
        self._room.look()
        return self._room.for_measuring

    def measure_on(self, places: int, waiting: int) -> None:
        """Leave so many workers' places free of nodes: states are measured there; others wait."""
        self._room.measuring, self._room.to_measure = places, waiting

    @property
    def in_use(self) -> tuple[int, ...]:
        """The workers of each running node, and of each state that is measured."""
        return self._room.in_use

    def expect(self, workers: int) -> None:
        """Note that the tree would grow by nodes of so many workers, if there were room; 0: not."""
        self._expected, self._kept = workers, self._kept_room() if workers else 0

    @property
    def latest_workers(self) -> int:
        """The fewest workers of the node that was added last."""
        return fewest_workers(next(reversed(self._nodes.values()))) if self._nodes else 1

    def may_start(self, name: str) -> bool:
        """Whether a node is or will be free to start, as far as nothing above it is lost or frozen.

        A node that is paused will be free when it is resumed.
        """
        while name not in self._done:
            if name in self.frozen or not (name in self.waiting or name in self.running):
                return False
            parent = self._nodes[name].parent
            if parent is None:
                break
            name = parent
        return True

    @property
    def _held(self) -> set[str]:
        return self.paused | self.frozen

    def _kept_room(self) -> int:
        """Places kept for nodes that wait for others: one for each path below these.

        A running node leaves its own place to one path. Below a node of another sweep, all paths
        may become ours; and a node that is paused needs a place when it goes on.
        """
        held = self._held
        kept = sum(self._paths(name, held) - 1 for name in self.running)
        for name in self._ready:
            if name in self.frozen:
                continue
            goes_on = any(child not in self.frozen for child in self._children.get(name, ()))
            if name in self.paused or (name in self.theirs and goes_on):
                kept += self._paths(name, held)
        return kept

    def _paths(self, name: str, held: set[str]) -> int:
        """How many paths of nodes that are not held end at or below this one."""
        pending, ends = [name], 0
        while pending:
            below = [c for c in self._children.get(pending.pop(), ()) if c not in held]
            pending += below
            ends += not below
        return ends

    def next(self) -> Node | None:
        """The node to start now, which counts as running from here on; None: not yet."""
        room = self._room
        if not self._ready or room.places < 1:
            return None
        room.look()
        place, reserved = 0, None
        while place < len(self._ready) and (reserved is None or room.holds_smallest):
            node = self.waiting[self._ready[place]]
            place += 1
            if node.name in self.paused or node.name in self.frozen:
                continue
            fits = room.fits(node)
            if not fits and node.name not in self.theirs:
                reserved = reserved or room.reserve(node)
                continue
            end = room.end(node, self._times[node.name])
            if fits and reserved and not reserved.lets(room.share(node), end):
                continue
            # A node of another sweep is asked for without room too: its children may be ours.
            answer = self._ask(node.name)
            if answer == "done":
                self._pass_by(node)
                place, reserved = 0, None  # one of its children may come first
            elif answer == "ours" and fits:
                self._start(node)
                return node
            elif answer == "ours":
                self._claims.give_back(node.name)
                reserved = reserved or room.reserve(node)
        return None

    def _ask(self, name: str) -> Answer:
        answer = self._claims.ask(name)
        (self.theirs.add if answer == "theirs" else self.theirs.discard)(name)
        return answer

    def _start(self, node: Node) -> None:
        self._leave(node)
        self._room.enter(node, self._times[node.name])
        self.starts += 1

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
        self._room.forget(node.name)

    def _free_children(self, name: str) -> None:
        for child in self._children.get(name, ()):
            self._make_ready(child)

    def place(self, name: str) -> int:
        """The node's number in the tree, from 0."""
        return self._order[name].place

    def has_another(self, node: Node) -> bool:
        """Whether another node of as many workers waits, which could take over this one's."""
        size = fewest_workers(node), node.training.workers
        return size != (1, 1) and any(
            (fewest_workers(other), other.training.workers) == size
            for other in self.waiting.values()
        )

    def could_start(self, most: float) -> tuple[int, ...]:
        """Workers of the nodes that could start, in order, until they are `most` or more.

        States that wait to be measured come first.
        An elastic node counts with its fewest workers, and those that it could use besides one by
        one. Nodes by which the tree would grow follow. Another thread may call this: it then sees a
        moment between two, or a mixture of both.
        """
        places = self._room.places
        found = [1] * min(self._room.to_measure, int(most))
        total = len(found)
        for name in list(self._ready):
            if total >= most or places <= 0:
                break
            node = self.waiting.get(name)
            if node is None or name in self.theirs or name in self.paused or name in self.frozen:
                continue
            fewest, wanted = fewest_workers(node), node.training.workers
            found += [fewest, *([1] * (wanted - fewest))]
            total += wanted
            places -= 1
        left = most - total - self._kept - sum(self.in_use)
        while self._expected and left >= self._expected and places > 0:
            found.append(self._expected)
            left, places = left - self._expected, places - 1
        return tuple(found)

    def put_back(self, name: str) -> None:
        """Let a node wait again that was started but not trained."""
        self._room.leave(name)
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
        self._room.complete(name)
        self.finished.append(name)
        self._done.add(name)
        self._free_children(name)

    def fail(self, name: str, reason: str) -> tuple[str, ...]:
        """Book a node as failed, and all nodes below it as skipped; returns the skipped ones."""
        self._claims.give_back(name)
        self._room.leave(name)
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
