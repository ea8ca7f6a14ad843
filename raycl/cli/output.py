"""The output of commands: it never ends their work, whatever it is written to."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from rich.console import Console
from rich.table import Table


def write_any_text() -> None:
    """Let stdout and stderr take every text, and set one that is closed to nowhere.

    A character that the terminal's or the pipe's encoding lacks, or that a path cannot say in any
    encoding, becomes a question mark.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (to the end)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class LastingConsole(Console):
    """A console for commands that continue when their reader has ended, as in `… | head -3`."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as every console does; where that is not possible any more, write to nowhere."""
        try:
            super().print(*objects, **options)
        except OSError:  # such as a full disk behind `> file`
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Write to nowhere from here on, where rich itself would end the process."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

    def say(self, text: str) -> None:
        """Print the text unchanged, without markup, colours or further line breaks."""
        self.print(text, markup=False, highlight=False, soft_wrap=True)


_ANY_WIDTH = 100_000
_LEAST_WIDTH = 12
"""Characters that stay of a column whose text may be cut or wrapped."""


def print_whole(console: Console, table: Table) -> None:
    """Print a table whose `no_wrap` columns are never cut, however narrow the terminal is.

    Names of states and jobs are copied from it into other commands. Where the output is no
    terminal, no column is cut.
    """
    wide = console.options.update(width=_ANY_WIDTH, max_width=_ANY_WIDTH)
    needed = console.measure(table, options=wide).maximum
    if console.is_terminal:
        for column in table.columns:
            if not column.no_wrap:
                texts = [console.measure(cell, options=wide).maximum for cell in column.cells]
                needed -= max(0, max(texts, default=0) - _LEAST_WIDTH)
    console.width = max(console.width, needed)
    console.print(table)
