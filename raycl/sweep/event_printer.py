"""Prints how a sweep goes: sentences, and a line for each event as it happens."""

from __future__ import annotations

from collections.abc import Callable

from raycl.sweep.event_lines import event_line
from raycl.sweep.events import SweepEvent
from raycl.watch.progress import TreeProgress


class EventPrinter:
    """Says each sentence and each event in one line, as in a log.

    It is a function of a sentence as well, so that everything which reports can be handed one.
    """

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self._say = say
        self._tree: TreeProgress | None = None

    def __call__(self, text: str) -> None:
        """Tell a sentence."""
        self._say(text)

    def begin(self, tree: TreeProgress) -> None:
        """A tree is trained from now on; `tree` always says how far it is."""
        self._tree = tree

    def event(self, event: SweepEvent) -> None:
        """Tell an event; the tree knows of it already."""
        self._say(event_line(event, self._tree))

    def end(self) -> None:
        """No more events of the tree come, however its training has ended."""
        self._tree = None


def printer_of(report: Callable[[str], None]) -> EventPrinter:
    """The printer that a function of sentences is, or one that says all through it."""
    return report if isinstance(report, EventPrinter) else EventPrinter(report)
