"""Who trains which node: leases in storage, kept by heartbeats and taken over when these stop.

A lease is a file that names its holder; a holder is a process with a file that it rewrites every
few seconds. Whoever wants a node that somebody else holds watches the holder's file. No clock is
compared with another machine's: a holder counts as gone when its file has not changed for a while
by the watcher's own monotonic clock, or at once where its process was on this machine and is not.
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
"""Without a change of its file a holder counts as gone after so long."""
_TRIES = 3
"""How often `take` begins again when the lease changes under it."""


@dataclass(frozen=True)
class Claim:
    """The lease of one holder on one node, to be checked from another process."""

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
    """The leases of one holder. As a context it beats, and at the end gives all back.

    Requests: one for each beat, whatever the number of leases; for a node two to take and two to
    give back, and two more each time somebody else is found to hold it.
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
        # A beat that comes too late is worth nothing: no long row of attempts.
        brief = Retries(attempts=3, within_seconds=stale_seconds / 3)
        self._beats = Storage(storage.url, storage.options, brief)
        self._beat_seconds, self._stale_seconds = beat_seconds, stale_seconds
        self._held: dict[str, str] = {}
        self._seen: dict[str, tuple[bytes, float]] = {}
        self._count, self._last_beat = 0, clock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.doubtful = False
        """Set when beats were so late that others may have taken leases over: ask `claim`."""

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
        """Show that this holder lives."""
        self._count += 1
        self._beats.write_bytes(layout.lease_holder(self.holder), heartbeat_bytes(self._count))
        now = self._clock()
        self.doubtful |= now - self._last_beat >= self._stale_seconds
        self._last_beat = now

    def _go_on(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            with contextlib.suppress(Exception):  # the next one may succeed; if not, it is doubtful
                self.beat()

    def take(self, node: str) -> bool:
        """Whether the node is ours from here on: nobody's before, or of a holder that is gone."""
        path, mine = layout.node_lease(node), lease_bytes(self.holder)
        for _ in range(_TRIES):
            version = self._storage.create(path, mine)
            if version is None:
                try:
                    found, theirs = self._storage.read_version(path)
                except FileNotFoundError:
                    continue  # given back between the two
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
            with contextlib.suppress(OSError):  # it goes stale then
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
