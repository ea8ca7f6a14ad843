"""A running sweep's place among others on its cluster: what it may use now.

A thread writes this sweep's entry where its numbers have changed, reads those of the others, and
computes what everybody may use, as each of the others does. Nothing is ever taken away: a node that
runs ends in peace, and shares are reached as nodes end.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from raycl.plan.fair_share import allotments, usable_capacity
from raycl.storage import Storage, layout
from raycl.storage.record import find_record, write_record
from raycl.sweep.events import SweepEvent
from raycl.sweep.frontier import Frontier
from raycl.sweep.leases import INTERRUPTED, INTERRUPTED_SECONDS, Leases
from raycl.sweep.queue_files import Queue, leave, read_queue
from raycl.sweep.queue_records import QueueEntry, QueueOrder

REFRESH_SECONDS = 3.0
"""Seconds between two looks at the others."""
SHORTEST_SECONDS = 0.5
"""Seconds between two looks where this sweep's own numbers have changed."""


@dataclass(frozen=True)
class View:
    """What the queue looked like at the last look."""

    shared: bool = False
    """Whether others are on the cluster, or the owner has a quota."""
    allotted: int = 0
    """Workers that this sweep may use."""
    room: float = 0.0
    """Workers that the others neither use nor are about to."""
    position: int = 1
    """Its place in the order of turns, from 1."""
    sweeps: int = 1
    """How many sweeps share the cluster."""
    quota: int | None = None
    """The most workers of its owner."""


@dataclass(frozen=True)
class Capacity:
    """How many workers a cluster holds, and what a sweep lets it grow to."""

    present: Callable[[], float]
    """Workers that it holds now."""
    growable: float = 0.0
    """Workers that it can hold at most."""
    concurrent: int | None = None
    """The most nodes of the sweep at once; None: as many as the cluster can hold."""

    def asked(self, nodes: Sequence[int]) -> int:
        """Workers for which the sweep lets it grow, of the workers of its nodes.

        As alone: for its first node, or for as many nodes of one worker as `--concurrent` says.
        """
        return max(*nodes[:1], nodes[: self.concurrent or 0].count(1), 0)


class Place:
    """The place of a sweep that has leases. `entry` says what it is; its numbers are kept here."""

    def __init__(
        self,
        storage: Storage,
        leases: Leases,
        entry: QueueEntry,
        capacity: Capacity,
        on_event: Callable[[SweepEvent], None] = lambda _: None,
    ) -> None:
        self._storage, self._leases, self._capacity = storage, leases, capacity
        self._entry, self._on_event = entry, on_event
        self._written: QueueEntry | None = None
        self._view = View()
        self._frontier = Frontier(())
        self._seen_moves: tuple[int, ...] = ()
        self._seen_starts = 0
        self._told_at: int | None = None
        self._wake, self._ended = threading.Event(), threading.Event()

    @property
    def view(self) -> View:
        """What was seen at the last look."""
        return self._view

    def slots(self) -> float:
        """Workers for the nodes of this sweep, those in use included."""
        view = self._view
        if not view.shared:
            return self._capacity.present()
        if self._moves() != self._seen_moves:
            self._wake.set()
        running = sum(self._frontier.in_use)
        slots = max(running, min(view.allotted, view.room))
        if not slots:
            self._tell_once(view)
        return slots

    def is_shared(self) -> bool:
        """Whether `slots` binds: there are other sweeps on the cluster, or a quota."""
        return self._view.shared

    @contextmanager
    def following(self, frontier: Frontier) -> Iterator[None]:
        """Be in the queue while the block lasts, with what `frontier` uses and could use."""
        self._frontier = frontier
        self._seen_starts = frontier.starts
        thread = threading.Thread(target=self._go_on, name="raycl-queue", daemon=True)
        storage, seconds = self._storage, None
        try:
            self.refresh()
            thread.start()
            yield
        except KeyboardInterrupt:  # nobody waits for a store that is gone
            storage = Storage(storage.url, storage.options, INTERRUPTED)
            seconds = INTERRUPTED_SECONDS
            raise
        finally:
            self._ended.set()
            self._wake.set()
            if thread.ident is not None:
                thread.join(seconds)
            leave(storage, self._leases.holder)

    def _go_on(self) -> None:
        while not self._ended.wait(SHORTEST_SECONDS):
            # The next look may succeed; until then the last view stands.
            with contextlib.suppress(Exception):
                self.refresh()
            self._wake.wait(REFRESH_SECONDS - SHORTEST_SECONDS)
            self._wake.clear()

    def refresh(self) -> None:
        """Look at the others once, and let them see this sweep."""
        holder = self._leases.holder
        self._seen_moves = self._moves()
        others = read_queue(self._storage, self._leases.is_alive)
        entry = self._entry = self._present_entry()
        if entry != self._written or holder not in others.entries:
            write_record(self._storage, layout.queue_entry(holder), entry)
            self._written = entry
        self._view = view_of(Queue({**others.entries, holder: entry}, others.quotas), holder)

    def _present_entry(self) -> QueueEntry:
        frontier, capacity = self._frontier, self._capacity.present()
        running = frontier.in_use
        waiting = frontier.could_start(max(capacity, self._capacity.concurrent or 1))
        order = find_record(self._storage, layout.queue_order(self._leases.holder), QueueOrder)
        order = order or QueueOrder()
        started, self._seen_starts = frontier.starts != self._seen_starts, frontier.starts
        entry = self._entry
        numbers = {
            "priority": entry.priority if order.priority is None else order.priority,
            "share": entry.share if order.share is None else order.share,
            "capacity": capacity,
            "growable": self._capacity.growable,
            "asked": self._capacity.asked(running + waiting),
            "running": running,
            "waiting": waiting,
            "served": time.time() if started else entry.served,
        }
        return entry.model_copy(update=numbers)

    def _moves(self) -> tuple[int, ...]:
        """Changes whenever a node or a score starts, ends or comes to wait."""
        frontier = self._frontier
        return frontier.starts, len(frontier.in_use), len(frontier.waiting)

    def _tell_once(self, view: View) -> None:
        """Say that the sweep waits for its turn, once until a node of it has started."""
        if self._told_at != self._frontier.starts:
            self._told_at = self._frontier.starts
            name = ", ".join(self._entry.sweeps) or "the sweep"
            reason = waiting_reason(view, self._entry.owner)
            self._on_event(SweepEvent("waiting", "", name, reason=reason))


def view_of(queue: Queue, holder: str) -> View:
    """What one of the sweeps may use, and why."""
    own = queue.entries[holder]
    pool, capacity = queue.pool(own), queue.capacity(own)
    given = allotments(capacity, pool, queue.quotas)
    place = [each.holder for each in pool].index(holder)
    # Two sweeps that both see one free worker do not both start: the first in turn does.
    ahead = sum(max(given[each.holder], sum(each.running)) for each in pool[:place])
    behind = sum(sum(each.running) for each in pool[place + 1 :])
    quota = queue.quotas.get(own.owner)
    return View(
        len(pool) > 1 or quota is not None,
        given[holder],
        usable_capacity(capacity, pool, queue.quotas) - ahead - behind,
        place + 1,
        len(pool),
        quota,
    )


def waiting_reason(view: View, owner: str) -> str:
    """Why a sweep may use no worker now, for people."""
    if view.quota is not None and view.sweeps == 1:
        return (
            f"its next node does not fit into the quota of {owner}, which is {view.quota} "
            f"workers; `raycl queue quota` changes it"
        )
    quota = "" if view.quota is None else f", and {owner} may use {view.quota} workers at most"
    return (
        f"{view.sweeps - 1} other sweeps use this cluster; it is number {view.position} of "
        f"{view.sweeps} in the queue{quota}. `raycl queue` shows them"
    )
