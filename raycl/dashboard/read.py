"""A storage as it is watched, again and again: few requests a look, and nothing read twice."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from raycl.dashboard.listed_storage import ListedStorage
from raycl.dashboard.read_sweep import WatchedSweep
from raycl.errors import InputError
from raycl.results.stored_states import StoredStates
from raycl.states.lookup import list_states
from raycl.states.tree_record import stored_sweeps
from raycl.storage import layout
from raycl.sweep.page_nodes import node_details
from raycl.watch.contract import NodeDetails, Snapshot, SweepLine, WholeSnapshot
from raycl.watch.node_curves import MOST_POINTS_OF_A_FILE, thinned_to
from raycl.watch.snapshot import snapshot


class WatchedStorage:
    """Reads a storage whenever it is asked to. One thread reads at a time.

    What was read of a state is kept, since no state is ever changed, and so are results as long as
    nothing they depend on has changed.
    """

    def __init__(self, url: str) -> None:
        self.storage = ListedStorage(url)
        self._states = StoredStates(self.storage, ())
        self._sweeps: dict[str, WatchedSweep] = {}
        self._last: Snapshot | None = None
        self._is_old = False
        """Whether something has changed that the last snapshot does not have."""
        self._lock = threading.Lock()

    def snapshot(self, patient: bool = True) -> Snapshot:
        """What the storage holds now, without the details of nodes.

        Results that take long to compute may be older where somebody waits who is not patient.

        What cannot be read is told in `damaged`, and does not hide the rest. Requests where nothing
        has changed: the listings alone. Where something has: a read of each file that is new, and
        those of corpora's manifests for a sweep that is new.
        """
        with self._lock:
            now = datetime.now(UTC)
            try:
                self._is_old |= self.storage.listed.look()
                behind = any(sweep.is_behind for sweep in self._sweeps.values())
                if self._last is None or self._is_old or behind or self._last["live"]:
                    self._last = self._read(now, patient)
                    self._is_old = False
            except (InputError, OSError) as error:  # the next look reads all of it anew
                return self._unread(str(error), now)
            return {**self._last, "read_at": now.isoformat(timespec="seconds")}

    def details(self, names: Iterable[str]) -> NodeDetails:
        """The curves and logs of those of these nodes that the last snapshot had."""
        with self._lock:
            return self._details(frozenset(names))

    def whole(self) -> WholeSnapshot:
        """The snapshot with the details of all nodes, as a static file holds it."""
        found = self.snapshot()
        with self._lock:
            names = {node["name"] for sweep in found["sweeps"] for node in sweep["nodes"]}
            details = self._details(frozenset(names))
        return {
            **found,
            "curves": thinned_to(details["curves"], MOST_POINTS_OF_A_FILE),
            "logs": details["logs"],
        }

    def _details(self, names: frozenset[str]) -> NodeDetails:
        found = NodeDetails(curves={}, logs={})
        self.storage.listed.fetch(layout.live_node(name) for name in names)
        for sweep in self._sweeps.values():
            own = [n for n in sweep.nodes if n["name"] in names and n["name"] not in found["logs"]]
            details = node_details(own, self._states, sweep.planned, self.storage)
            found["curves"] |= details["curves"]
            found["logs"] |= details["logs"]
        return found

    def _unread(self, problem: str, now: datetime) -> Snapshot:
        """What was known before, with the reason why nothing newer is."""
        sweeps: list[SweepLine] = self._last["sweeps"] if self._last else []
        return snapshot(self.storage.url, now, sweeps, [problem])

    def _read(self, now: datetime, patient: bool) -> Snapshot:
        states = list_states(self.storage).bytes.keys()
        self._states.are(states)
        self.storage.listed.fetch(self._new_files(states))
        names = stored_sweeps(self.storage)
        self._sweeps = {name: self._sweeps.get(name, WatchedSweep(name)) for name in names}
        sweeps = [
            sweep.read(self.storage, self._states, states, patient)
            for sweep in self._sweeps.values()
        ]
        for name in states:
            if self._states.has_read(name):  # its history is kept there
                self.storage.listed.forget(layout.state_history(name))
        damaged = [text for sweep in self._sweeps.values() for text in sweep.damaged]
        return snapshot(self.storage.url, now, sweeps, damaged)

    def _new_files(self, states: Iterable[str]) -> Iterator[str]:
        """What is to be read, many files at once."""
        for name in states:
            if not self._states.has_read(name):
                yield layout.state_mark(name)
                yield layout.state_history(name)
        for folder in (layout.STEERING, layout.FAILURES, layout.LEASES, layout.EVALUATIONS):
            yield from self.storage.listed.files_below(folder)
        finished = {layout.live_node(name) for name in states}
        for path in self.storage.listed.files_below(layout.LIVE):
            if path not in finished:
                yield path
