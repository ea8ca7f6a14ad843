"""Reads what is asked of nodes every few seconds, in a thread that no sweep ever waits for."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from raycl.storage import Storage, layout
from raycl.storage.retries import Retries
from raycl.sweep.steering.record import Request, find_request, node_of

LOOK_SECONDS = 5.0
"""Between two listings of what is asked."""
_BRIEF = Retries(attempts=3, within_seconds=20)
_READ_AGAIN = 1
"""How often a file that has not changed is read again. Times in listings are whole seconds: a
second change within one of them is seen in the next look alone."""


@dataclass(frozen=True)
class Look:
    """What one look at the storage has found."""

    number: int
    """How many looks had been asked for when it began."""
    requests: Mapping[str, Request]
    """By the name of their nodes."""


@dataclass
class _Seen:
    """A file as it was listed, how often it is still to be read, and what was in it."""

    version: object
    reads: int
    request: Request | None


class Lookout:
    """Looks at all requests in a storage: a listing, and a read of each file that has changed.

    What a sweep has to write beside its work is done by the same thread (`later`). A request to the
    storage that fails is given up; the next look comes soon.
    """

    def __init__(self, storage: Storage, seconds: float = LOOK_SECONDS) -> None:
        self.storage = Storage(storage.url, storage.options, _BRIEF)
        self._seconds = seconds
        self._seen: dict[str, _Seen] = {}
        self._work: deque[Callable[[Storage], None]] = deque()
        self._asked = 0
        self._woken, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.newest: Look | None = None
        """None until a look has succeeded."""
        self.failed: frozenset[str] = frozenset()
        """Nodes that earlier sweeps have given up."""

    def __enter__(self) -> Lookout:
        self.look()
        with contextlib.suppress(Exception):
            self.failed = frozenset(map(node_of, self.storage.list(layout.FAILURES)))
        self._thread = threading.Thread(target=self._go_on, name="raycl-lookout", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def ask(self) -> int:
        """Ask for a look; one whose number is at least this began afterwards."""
        self._asked += 1
        self._woken.set()
        return self._asked

    def later(self, work: Callable[[Storage], None]) -> None:
        """Have the thread do this soon; what fails is forgotten."""
        self._work.append(work)
        self._woken.set()

    def look(self) -> None:
        """Look at what is asked now. Nothing happens where the storage does not answer."""
        number = self._asked
        with contextlib.suppress(Exception):
            self.newest = Look(number, self._requests())

    def _go_on(self) -> None:
        while not self._ended.is_set():
            self._woken.wait(self._seconds)
            self._woken.clear()
            self._work_off()
            if not self._ended.is_set():
                self.look()
        self._work_off()  # what came during the last look

    def _work_off(self) -> None:
        while self._work:
            with contextlib.suppress(Exception):
                self._work.popleft()(self.storage)

    def _requests(self) -> dict[str, Request]:
        listed = {
            node_of(file.path): (file.bytes, file.modified or object())
            for file in self.storage.everything_below(layout.STEERING)
            if file.is_file and file.path.endswith(".json")
        }
        for node in self._seen.keys() - listed.keys():
            del self._seen[node]
        return {
            node: request
            for node, version in listed.items()
            if (request := self._read(node, version)) is not None
        }

    def _read(self, node: str, version: object) -> Request | None:
        seen = self._seen.setdefault(node, _Seen(None, 0, None))
        if seen.version != version:
            seen.version, seen.reads = version, 1 + _READ_AGAIN
        if seen.reads:
            with contextlib.suppress(Exception):  # damaged, or just removed: what was known stands
                seen.request = find_request(self.storage, node)
                seen.reads -= 1
        return seen.request
