"""Writes the live records of the nodes that a sweep trains, beside its work.

Tune's loop only notes what is new. A thread writes it, so that a slow store holds up no training,
and what cannot be written ends no sweep: a record only shows people how the training goes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from raycl.errors import InputError
from raycl.plan.tree import Node
from raycl.storage import Storage
from raycl.storage.retries import Retries
from raycl.sweep.events import THEIRS, Kind, SweepEvent, node_label
from raycl.sweep.live_notes import LiveNotes
from raycl.watch.live_record import LiveNode, LiveStatus, find_live, write_live

LOCAL_SECONDS = 2.0
"""Between two records of one node in a folder of this machine."""
REMOTE_SECONDS = 10.0
"""The same where each record is a request to a store."""
CLOSE_SECONDS = 5.0
"""How long the end of a sweep waits for the last records: Ctrl-C has to be quick."""
_BRIEF = Retries(attempts=2, within_seconds=10.0)
_BECOMES: Mapping[Kind, LiveStatus] = {
    "finished": "finished",
    "retried": "retried",
    "failed": "failed",
    "left": "left",
}
_ENDED = ("finished", "failed", "left")
_INTERRUPTED = "the sweep was ended; the same command goes on from what is saved"


class LiveWriter:
    """The records of one process. Inside a `with` block a thread writes what is new.

    A node has a record from its first start here. It is written at once at a start, an end and
    a failure, and else at most every `seconds`.
    """

    def __init__(
        self,
        storage: Storage,
        holder: str,
        sweeps: Sequence[str],
        nodes: Mapping[str, Node],
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`nodes` may grow. `holder` is that of the sweep's leases; empty where there are none."""
        self._storage = Storage(storage.url, storage.options, _BRIEF)
        self._holder, self._sweeps, self._nodes = holder, tuple(sweeps), nodes
        by_store = LOCAL_SECONDS if storage.local_root is not None else REMOTE_SECONDS
        self._seconds, self._clock = by_store if seconds is None else seconds, clock
        self._lock = threading.Lock()
        self._notes: dict[str, LiveNotes] = {}
        self._due: dict[str, float] = {}
        """When each record is to be written that has news."""
        self._woken, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._problem: str | None = None
        self._has_failed = False

    def __enter__(self) -> LiveWriter:
        self._thread = threading.Thread(target=self._go_on, name="raycl-live", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for notes in self._notes.values():
                if notes.status not in _ENDED:  # else it is not written yet, or could not be
                    notes.log(_now(), "left", _INTERRUPTED)
                    notes.status = "left"
                self._due[notes.node] = 0.0
        self._ended.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def event(self, event: SweepEvent) -> None:
        """Note an event of a node that is trained here; of other nodes nothing is noted."""
        with self._lock:
            if event.kind == "started":
                self._start(event)
            notes = self._notes.get(event.node)
            if notes is None or event.kind == "metrics":
                return
            if event.reason == THEIRS:  # the record is another process' now
                del self._notes[event.node]
                self._due.pop(event.node, None)
                return
            notes.log(event.at, event.kind, event.reason or event.kind)
            notes.status = _BECOMES.get(event.kind, notes.status)
            self._due[event.node] = 0.0
        self._woken.set()

    def _start(self, event: SweepEvent) -> None:
        node, before = self._nodes[event.node], self._notes.get(event.node)
        if before is not None and not before.is_ended:
            before.status = "starting"  # once more, after a failure
            return
        self._notes[event.node] = LiveNotes(
            node.name, node_label(node), (node.training.start, node.training.stop), event.at
        )

    def report(self, node: str, numbers: Mapping[str, Any]) -> None:
        """Note the numbers of a node's newest report."""
        with self._lock:
            notes = self._notes.get(node)
            if notes is None or not notes.report(numbers, self._clock(), _now()):
                return
            if node in self._due:
                return
            last = notes.written_at
            self._due[node] = 0.0 if last is None else last + self._seconds
        self._woken.set()

    def new_problem(self) -> str | None:
        """Why a record could not be written, the first time that it is asked for after that."""
        problem, self._problem = self._problem, None
        return problem

    def _go_on(self) -> None:
        while not self._ended.is_set():
            self._woken.wait(self._until_next())
            self._woken.clear()
            self.write_due()
        self.write_due(everything=True)

    def _until_next(self) -> float | None:
        """Seconds until a record is due; None where there is no news."""
        with self._lock:
            return max(0.0, min(self._due.values()) - self._clock()) if self._due else None

    def write_due(self, everything: bool = False) -> None:
        """Write each record that is due."""
        now = self._clock()
        with self._lock:
            due = [node for node, at in self._due.items() if everything or at <= now]
        for node in due:
            try:
                self._write(node)
            except Exception as error:  # a store that fails, or a disk that is full
                if not self._has_failed:
                    self._has_failed = True
                    self._problem = f"they cannot be written, and the training goes on: {error}"

    def _write(self, node: str) -> None:
        with self._lock:
            self._due.pop(node, None)
            notes = self._notes.get(node)
            is_first = notes is not None and notes.written_at is None
        if notes is None:
            return
        earlier = self._earlier(node) if is_first else None
        with self._lock:
            if earlier is not None:
                notes.go_on_from(earlier)
            notes.written_at = self._clock()
            record = notes.record(self._holder, self._sweeps)
            notes.is_ended = notes.status in _ENDED
        write_live(self._storage, record)
        with self._lock:
            if notes.is_ended and self._notes.get(node) is notes:
                del self._notes[node]

    def _earlier(self, node: str) -> LiveNode | None:
        """What an earlier training of the node has left; a damaged record is written anew."""
        try:
            return find_live(self._storage, node)
        except InputError:
            return None


def _now() -> datetime:
    return datetime.now(UTC)
