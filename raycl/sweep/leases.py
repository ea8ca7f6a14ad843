"""Leases in storage say which sweep trains which node; heartbeats keep them alive.

A lease is a file that names its holder. A holder is a process with a file of its own, which it
rewrites every few seconds. A sweep that wants a node which another holds watches the holder's file.
Clocks of two machines are never compared: a holder counts as gone when its file has not changed
for a while by the watcher's own monotonic clock, or at once where its process ran on this machine
and has ended.
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
"""A holder whose file has not changed for so long counts as gone."""
_TRIES = 3
"""How often `take` begins again when the lease changes under it."""


@dataclass(frozen=True)
class Claim:
    """The lease of one holder on one node, which another process can check."""

    storage: Storage
    holder: str
    node: str

    def is_valid(self) -> bool:
        """Whether the node is still this holder's. One request."""
        try:
            return self.storage.read_bytes(layout.node_lease(self.node)) == lease_bytes(self.holder)
        except FileNotFoundError:
            return False


class Leases:
    """The leases of one holder. As a context it beats, and gives all leases back at the end.

    Requests: one for each beat, however many leases there are; two to take a node and two to give
    it back, and two more each time that another holder is found to have it.
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
        # A late beat is worth nothing, so a beat is not tried for long.
        brief = Retries(attempts=3, within_seconds=stale_seconds / 3)
        self._beats = Storage(storage.url, storage.options, brief)
        self._beat_seconds, self._stale_seconds = beat_seconds, stale_seconds
        self._held: dict[str, str] = {}
        self._seen: dict[str, tuple[bytes, float]] = {}
        self._count, self._last_beat = 0, clock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.doubtful = False
        """Set when a beat was so late that others may have taken leases over: ask `claim`."""

    def __enter__(self) -> Leases:
        self.beat()
        self._thread = threading.Thread(target=self._go_on, name="raycl-leases", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        for name in list(self._held):
            self.release(name)
        with contextlib.suppress(OSError):
            self._storage.remove(layout.lease_holder(self.holder))

    def beat(self) -> None:
        """Rewrite this holder's file, which shows that it lives."""
        self._count += 1
        self._beats.write_bytes(layout.lease_holder(self.holder), heartbeat_bytes(self._count))
        now = self._clock()
        self.doubtful |= now - self._last_beat >= self._stale_seconds
        self._last_beat = now

    def _go_on(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            # The next beat may succeed; where none does, `doubtful` will say so.
            with contextlib.suppress(Exception):
                self.beat()

    def take(self, node: str) -> bool:
        """Take the node if nobody holds it, or a holder that is gone: whether it is ours now."""
        path, mine = layout.node_lease(node), lease_bytes(self.holder)
        for _ in range(_TRIES):
            version = self._storage.create(path, mine)
            if version is None:
                try:
                    found, theirs = self._storage.read_version(path)
                except FileNotFoundError:
                    continue  # its holder gave it back between the two requests
                if found == mine:
                    version = theirs
                elif self._is_alive(holder_of(found, self._storage.full_path(path))):
                    return False
                else:
                    version = self._storage.replace(path, mine, theirs)
            if version is not None:
                self._held[node] = version
                return True
        return False

    def release(self, node: str) -> None:
        """Give a node back; nothing happens where it is not ours."""
        version = self._held.pop(node, None)
        if version is not None:
            with contextlib.suppress(OSError):  # a lease that stays goes stale with its holder
                self._storage.delete_if(layout.node_lease(node), version)

    def claim(self, node: str) -> Claim:
        """What a trial needs to see that the node is still ours."""
        return Claim(self._storage, self.holder, node)

    def _is_alive(self, holder: str) -> bool:
        try:
            beat = self._storage.read_bytes(layout.lease_holder(holder))
        except FileNotFoundError:
            return False
        if died_here(beat):
            return False
        now = self._clock()
        seen, since = self._seen.get(holder, (b"", now))
        if beat != seen:
            self._seen[holder] = (beat, now)
            return True
        return now - since < self._stale_seconds


def leases_work(storage: Storage) -> bool:
    """Whether the store honours conditional writes: some S3 gateways accept and ignore them."""
    if not storage.has_conditional_writes:
        return False
    path = layout.lease_probe(uuid.uuid4().hex)
    try:
        return storage.create(path, b"1") is not None and storage.create(path, b"2") is None
    finally:
        storage.remove(path)
