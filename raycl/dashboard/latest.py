"""The newest snapshot of a storage as bytes to send; a thread reads it while the server answers."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from raycl.watch.contract import Snapshot

_LEAST_SECONDS = 1.0
"""Between two looks at a storage, however many pages are open."""
_TIMES_AS_LONG = 3.0
"""A look that takes long is followed by a pause of this many times its length."""
_PATIENCE = 1.5
"""Seconds that an answer waits for a newer snapshot before it gives the last one."""


@dataclass(frozen=True)
class Sent:
    """A snapshot as it is sent."""

    data: bytes
    """JSON, compressed with gzip."""
    tag: str
    """Names the content, but for the time of reading."""


def sent(snapshot: Snapshot) -> Sent:
    """The bytes of a snapshot, and its ETag."""
    timeless = json.dumps({**snapshot, "read_at": ""}, sort_keys=True).encode()
    data = json.dumps(snapshot, allow_nan=False, separators=(",", ":")).encode()
    return Sent(gzip.compress(data, 5), f'"{hashlib.sha256(timeless).hexdigest()[:32]}"')


class Latest:
    """Reads a snapshot when somebody asks, but not too often."""

    def __init__(self, read: Callable[[], Snapshot], pool: ThreadPoolExecutor) -> None:
        self._read, self._pool = read, pool
        self._newest: Sent | None = None
        self._reading: asyncio.Task[Sent] | None = None
        self._next = 0.0

    async def get(self) -> Sent:
        """The newest snapshot; an older one where reading takes long. Raises what reading does."""
        if self._newest is not None and self._reading is None and time.monotonic() < self._next:
            return self._newest
        if self._reading is None:
            self._reading = asyncio.create_task(self._look())
            # Where nobody waits any more when it fails, nobody asks why either.
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        task = self._reading
        patience = None if self._newest is None else _PATIENCE
        done, _ = await asyncio.wait({task}, timeout=patience)
        if done or self._newest is None:
            return task.result()
        return self._newest

    async def _look(self) -> Sent:
        began = time.monotonic()
        try:
            loop = asyncio.get_running_loop()
            self._newest = await loop.run_in_executor(self._pool, lambda: sent(self._read()))
            return self._newest
        finally:
            took = time.monotonic() - began
            self._next = time.monotonic() + max(_LEAST_SECONDS, _TIMES_AS_LONG * took)
            self._reading = None
