"""How commands tell of a sweep: a line for each thing in a log, a live tree in a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from raycl.cli.live_tree import live_tree
from raycl.cli.output import LastingConsole
from raycl.cluster.watch import before_sudden_end
from raycl.sweep.event_lines import event_text, stamp
from raycl.sweep.event_printer import EventPrinter
from raycl.sweep.events import SweepEvent
from raycl.watch.progress import TreeProgress
from raycl.watch.text import duration_text, whole_text

_SEEN_IN_THE_TREE = ("metrics", "started")
"""Kinds of events that the tree shows by itself."""


def console_printer(console: LastingConsole) -> EventPrinter:
    """A live tree where the output is a terminal that can show one; else a line for each thing."""
    if console.is_terminal and not console.is_dumb_terminal and console.file.isatty():
        return TreePrinter(console)
    return EventPrinter(console.say)


class TreePrinter(EventPrinter):
    """Shows the tree while it is trained; sentences and events that matter scroll above it.

    What else comes on stderr meanwhile, such as warnings of Ray, scrolls there too: the tree would
    be torn by it.
    """

    def __init__(self, console: LastingConsole) -> None:
        super().__init__(console.say)
        self._console = console
        self._live: Live | None = None
        self._errors: _CaughtErrors | None = None
        self._began = 0.0

    def begin(self, tree: TreeProgress) -> None:
        """Show the tree from now on."""
        super().begin(tree)
        self._began = time.monotonic()
        self._live = Live(
            _Shown(tree),
            console=self._console,
            refresh_per_second=2,
            transient=True,
            redirect_stdout=self._console.file is sys.stdout,
            redirect_stderr=False,  # caught below, where libraries written in C write too
        )
        self._live.start()
        self._errors = _CaughtErrors(self._console.say)
        before_sudden_end.append(self._give_back)

    def event(self, event: SweepEvent) -> None:
        """Let an event that matters scroll above the tree."""
        if event.kind in _SEEN_IN_THE_TREE:
            return
        style = "red" if event.kind == "failed" else ""
        text = Text(f"{stamp(event.at)}  {event_text(event, self._tree)}", style=style)
        self._console.print(text, soft_wrap=True, highlight=False)

    def end(self) -> None:
        """Take the tree away, and leave one line of how far it is."""
        was_shown = self._live is not None
        self._give_back()
        if self._tree is not None and was_shown:
            took = duration_text(time.monotonic() - self._began)
            self._say(f"{whole_text(self._tree.whole())}; this run took {took}")
        super().end()

    def _give_back(self) -> None:
        """Let the terminal be as it was; again, it does nothing."""
        errors, self._errors = self._errors, None
        live, self._live = self._live, None
        if errors is not None:
            errors.close()
        if live is not None:
            live.stop()
            before_sudden_end.remove(self._give_back)


class _Shown:
    """The tree as it is at the moment of each refresh."""

    def __init__(self, tree: TreeProgress) -> None:
        self._tree = tree

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield live_tree(self._tree, options.max_width, console.size.height)


class _CaughtErrors:
    """Hands the lines that this process writes to stderr on, whatever part of it writes them.

    Where stderr is no terminal it is left alone.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._saved: int | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if os.isatty(2):
                self._start()

    def _start(self) -> None:
        reading, writing = os.pipe()
        self._saved = os.dup(2)
        os.dup2(writing, 2)
        os.close(writing)
        self._thread = threading.Thread(target=self._read, args=[reading], daemon=True)
        self._thread.start()

    def _read(self, reading: int) -> None:
        with open(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._say(line.rstrip())

    def close(self) -> None:
        """Let stderr be what it was, when all has been handed on that was written."""
        if self._saved is None:
            return
        sys.stderr.flush()
        os.dup2(self._saved, 2)  # which closes the writing end of the pipe
        os.close(self._saved)
        self._saved = None
        self._thread.join(1.0)  # a process that was started meanwhile may hold the other end
