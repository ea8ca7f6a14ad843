"""The output of long commands, which go on where no process reads their output any more."""

from __future__ import annotations

import os
import sys

from rich.console import Console


class LastingConsole(Console):
    """A console for commands that continue when their reader has ended, as in `… | head -3`."""

    def on_broken_pipe(self) -> None:
        """Write to nowhere from here on, where rich itself would end the process."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

    def say(self, text: str) -> None:
        """Print the text unchanged, without markup, colours or further line breaks."""
        self.print(text, markup=False, highlight=False, soft_wrap=True)
