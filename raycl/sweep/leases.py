"""Leases in storage say which sweep trains which node; heartbeats keep them alive.

A lease is a file that names its holder. A holder is a process with a file of its own, which it
rewrites every few seconds. A sweep that wants a node of another holder watches that holder's file.
Clocks of two machines are never compared: a holder counts as gone when its file has not changed
for a while by the watcher's own monotonic clock. It counts as gone at once where its process ran
on this machine and has ended.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from raycl.storage import Storage, layout
from raycl.storage.retries import Retries
from raycl.sweep.lease_records import died_here, heartbeat_bytes, holder_of, lease_bytes

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
"""A holder counts as gone when its file has not changed for this long."""
INTERRUPTED = Retries(attempts=2, within_seconds=1.0)
"""How often a sweep that was interrupted tries to give back what it has."""
INTERRUPTED_SECONDS = 1.0
"""How long it waits for a thread that may be in the middle of a request."""
_TRIES = 3
"""How often `take` tries when other sweeps change the lease between its requests."""


@dataclass(frozen=True)
class Claim:
    """The lease of one holder on one node, in a form that another process can check."""

    storage: Storage
    holder: str
    node: str

    def is_valid(self) -> bool:
        """Whether the holder still has the node. One request."""
        try:
            return self.storage.read_bytes(layout.node_lease(self.node)) == lease_bytes(self.holder)
        except FileNotFoundError:
            return False


class Leases:
    """The leases of one holder. Inside a `with` block a thread beats; at its end all are released.

    A beat is one request, however many leases there are. Taking a node takes two requests, and
    giving it back two. Each time that another holder has the node takes two more.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        beat_seconds: float = BEAT_SECONDS,
        stale_seconds: float = STALE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.holder = uuid.uuid4().hex
        self._storage, self._clock = storage, clock
        # A beat that comes late proves nothing any more, so its retries are brief.
        brief = Retries(attempts=3, within_seconds=stale_seconds / 3)
        self._beats = Storage(storage.url, storage.options, brief)
        self._beat_seconds, self._stale_seconds = beat_seconds, stale_seconds
        self._held: dict[str, str] = {}
        self._seen: dict[str, tuple[bytes, float]] = {}
        self._count, self._last_beat = 0, clock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.doubtful = False
        """Whether a beat was so late that others may have taken leases over; `claim` tells."""

    def __enter__(self) -> Leases:
        self.beat()
        self._thread = threading.Thread(target=self._go_on, name="raycl-leases", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._ended.set()
        is_interrupted = isinstance(error, KeyboardInterrupt)
        if self._thread is not None:
            self._thread.join(INTERRUPTED_SECONDS if is_interrupted else None)
        if is_interrupted:
            self._give_all_back_at_once()
            return
        for name in list(self._held):
            self.release(name)
        with contextlib.suppress(OSError):
            self._storage.remove(layout.lease_holder(self.holder))

    def _give_all_back_at_once(self) -> None:
        """The same where nobody waits for a store that is gone: its first failure ends it.

        What stays is as after a kill: others take it over when this holder counts as gone.
        """
        storage = Storage(self._storage.url, self._storage.options, INTERRUPTED)
        with contextlib.suppress(OSError):
            for node, version in self._held.items():
                storage.delete_if(layout.node_lease(node), version)
            storage.remove(layout.lease_holder(self.holder))

    def beat(self) -> None:
        """Rewrite this holder's file to show that the process lives."""
        self._count += 1
        self._beats.write_bytes(layout.lease_holder(self.holder), heartbeat_bytes(self._count))
        now = self._clock()
        self.doubtful |= now - self._last_beat >= self._stale_seconds
        self._last_beat = now

    def _go_on(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            # The next beat may succeed. When one succeeds late, it sets `doubtful`.
            with contextlib.suppress(Exception):
                self.beat()

    def take(self, node: str) -> bool:
        """Take the node if nobody holds it, or its holder is gone. Returns whether it is ours."""
        path, mine = layout.node_lease(node), lease_bytes(self.holder)
        for _ in range(_TRIES):
            version = self._storage.create(path, mine)
            if version is None:
                try:
                    found, theirs = self._storage.read_version(path)
                except FileNotFoundError:
                    continue  # the holder gave the node back between the two requests
                if found == mine:  # an earlier request succeeded, but its answer was lost
                    version = theirs
                elif self.is_alive(holder_of(found, self._storage.full_path(path))):
                    return False
                else:
                    # This fails, and a try follows, where another sweep has replaced it first.
                    version = self._storage.replace(path, mine, theirs)
            if version is not None:
                self._held[node] = version
                return True
        return False

    def release(self, node: str) -> None:
        """Give a node back; nothing happens where this holder does not have it."""
        version = self._held.pop(node, None)
        if version is not None:
            # Where the request fails the lease stays, until its holder counts as gone.
            with contextlib.suppress(OSError):
                self._storage.delete_if(layout.node_lease(node), version)

    def claim(self, node: str) -> Claim:
        """The claim with which a trial checks that this holder still has the node."""
        return Claim(self._storage, self.holder, node)

    def is_alive(self, holder: str) -> bool:
        """Whether a holder beats still, as far as this one has watched. One request."""
        try:
            beat = self._storage.read_bytes(layout.lease_holder(holder))
        except FileNotFoundError:
            return False
        if died_here(beat):  # no need to wait: the process ran on this machine
            return False
        now = self._clock()
        seen, since = self._seen.get(holder, (b"", now))
        if beat != seen:  # changed, or seen for the first time, from when its silence counts
            self._seen[holder] = (beat, now)
            return True
        return now - since < self._stale_seconds


def leases_work(storage: Storage) -> bool:
    """Whether the store honours conditional writes. Some S3 gateways accept and ignore them.

    A gateway that ignores them lets the second `create` of one file succeed.
    """
    if not storage.has_conditional_writes:
        return False
    path = layout.lease_probe(uuid.uuid4().hex)
    try:
        return storage.create(path, b"1") is not None and storage.create(path, b"2") is None
    finally:
        storage.remove(path)
