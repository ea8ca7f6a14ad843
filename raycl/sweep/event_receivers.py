"""Hands on what a sweep tells: to its progress, the live records, and whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from raycl.sweep.events import SweepEvent
from raycl.sweep.live_writer import LiveWriter
from raycl.sweep.tree_progress import note_event
from raycl.watch.progress import NodeStatus, TreeProgress


class EventReceivers:
    """Progress, live records and `on_event`, which is told last and so sees what has changed."""

    def __init__(
        self, tree: TreeProgress, live: LiveWriter, on_event: Callable[[SweepEvent], None]
    ) -> None:
        self._tree, self._live, self._on_event = tree, live, on_event
        self.elsewhere: Sequence[str] = ()
        """Nodes that other sweeps have trained, which grows; no event tells of them."""
        self.frozen: Collection[str] = ()
        """Nodes that wait to be thawed, such as those of recipes that were stopped early."""
        self._seen, self._froze = 0, set[str]()

    def event(self, event: SweepEvent) -> None:
        """Hand an event on."""
        if event.node:  # those without one come from the thread of the queue
            self._look_elsewhere()
        note_event(self._tree, event)
        self._live.event(event)
        self._on_event(event)

    def report(self, node: str, numbers: Mapping[str, Any]) -> None:
        """Hand the numbers of a trial on; what could not be written is told here, once."""
        self._look_elsewhere()
        self._tree.report(node, numbers)
        self._live.report(node, numbers)
        if (problem := self._live.new_problem()) is not None:
            self._on_event(SweepEvent("note", "", "live records", reason=problem))

    def _look_elsewhere(self) -> None:
        for name in self.elsewhere[self._seen :]:
            self._tree.set(name, "finished")
        self._seen = len(self.elsewhere)
        frozen = set(self.frozen)
        self._turn(frozen - self._froze, "waiting", "held")
        self._turn(self._froze - frozen, "held", "waiting")
        self._froze = frozen

    def _turn(self, names: Collection[str], before: NodeStatus, after: NodeStatus) -> None:
        for name in names:
            if name in self._tree.nodes and self._tree.nodes[name].status == before:
                self._tree.set(name, after)
