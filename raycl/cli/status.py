"""`raycl status`: how far the sweeps of a storage are, and what of them runs."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.text import Text

from raycl.cli import complete
from raycl.cli.options import PricesFile, StorageUrl, exit_if_damaged
from raycl.cli.output import LastingConsole
from raycl.errors import InputError

if TYPE_CHECKING:
    from raycl.plan.prices import Prices
    from raycl.storage import Storage
    from raycl.sweep.status import SweepStatus

WATCH_SECONDS = 5.0
"""Between two looks at the storage."""


def status(
    storage: StorageUrl,
    name: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            metavar="NAME",
            autocompletion=complete.sweep_names,
            help="Sweep in the storage; default: all.",
        ),
    ] = None,
    prices: PricesFile = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every five seconds, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Show how far the sweeps in a storage are, and what runs; read from the storage alone.

    --watch ends by itself when nothing runs, where the output is no terminal.

    Example: `raycl status --storage runs/my --watch`
    """
    from raycl.recipe.prices_file import read_prices
    from raycl.storage import Storage

    if watch and as_json:
        raise InputError("--watch", "--json prints once", "Leave out one of them")
    look = _Look(Storage(storage), name, read_prices(prices) if prices else None)
    if as_json:
        print(json.dumps(look.as_json(), indent=1))
        exit_if_damaged(tuple(look.damaged))
        return
    console = LastingConsole()
    if watch and console.is_terminal and sys.stdout.isatty():
        _watch_in_terminal(look, console)
    elif watch:
        _watch_in_log(look, console)
    else:
        for line in look.lines():
            console.say(line)
        exit_if_damaged(tuple(look.damaged))


def _watch_in_log(look: _Look, console: LastingConsole) -> None:
    """Print what is new every few seconds, each time under the time of day, until nothing runs."""
    before: list[str] = []
    while True:
        lines = look.lines()
        if lines != before:
            console.say(f"{datetime.now():%Y-%m-%d %H:%M:%S}")
            for line in lines:
                console.say(line)
        before = lines
        if not look.runs:
            break
        time.sleep(WATCH_SECONDS)
    exit_if_damaged(tuple(look.damaged))


def _watch_in_terminal(look: _Look, console: Console) -> None:
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        while True:
            room = max(3, console.size.height - 4)
            lines = look.lines(room)[:room]
            lines.append(f"{datetime.now():%H:%M:%S}, again every 5 s; Ctrl-C ends this alone.")
            shown = [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]
            live.update(Group(*shown), refresh=True)
            time.sleep(WATCH_SECONDS)


class _Look:
    """One look after another at the sweeps that are meant."""

    def __init__(self, storage: Storage, name: str | None, prices: Prices | None) -> None:
        self._storage, self._name, self._prices = storage, name, prices
        self.damaged: dict[str, None] = {}
        """What the last look found damaged, each once, although sweeps share states."""
        self.runs = False
        """Whether the last look saw a node that is trained."""

    def _sweeps(self) -> list[SweepStatus]:
        """The status of each sweep that can be shown."""
        from raycl.cli.sweep import sweeps_meant
        from raycl.states.references import no_tree
        from raycl.sweep.status import sweep_status

        self.damaged, self.runs = {}, False
        found: list[SweepStatus] = []
        for name in sweeps_meant(self._storage, self._name):
            try:
                made = sweep_status(self._storage, name)
            except FileNotFoundError:
                self.damaged[str(no_tree(self._storage, name))] = None
            except InputError as error:
                self.damaged[str(error)] = None
            else:
                self.damaged |= dict.fromkeys(made.problems)
                self.runs |= made.summary["training"] > 0
                found.append(made)
        return found

    def lines(self, most: int | None = None) -> list[str]:
        """A line for each sweep, and those of its nodes, its search and its bill."""
        from raycl.cli.status_view import head_line, node_lines

        found, told = self._sweeps(), []
        now = datetime.now(UTC)
        for sweep in found:
            each = max(3, most // len(found)) if most else None
            told.append(head_line(sweep.name, sweep.nodes, sweep.summary))
            told += node_lines(sweep.nodes, now, each)
            told += [f"  to merge: {label}" for label in sweep.merges_left]
            told += [f"  {text}" for text in self._about(sweep.name)]
        return told

    def _about(self, name: str) -> list[str]:
        """How far the search of a sweep is, and what the sweep has cost, where that is known."""
        from raycl.results.bill import bill_text
        from raycl.search.text import trials_text
        from raycl.sweep.costs import sweep_bill

        told = []
        try:
            if text := trials_text(self._storage, name):
                told.append(text)
        except FileNotFoundError:
            pass
        except InputError as error:
            self.damaged[str(error)] = None
        try:
            bill = sweep_bill(self._storage, name, self._prices)
        except InputError as error:
            self.damaged[str(error)] = None
        else:
            if bill is not None:
                told.append(f"so far: {bill_text(bill)}")
        return told

    def as_json(self) -> dict[str, Any]:
        """All sweeps under the names of docs/watching.md."""
        sweeps = [
            {
                "name": sweep.name,
                "summary": sweep.summary,
                "nodes": [{key: node[key] for key in _KEYS} for node in sweep.nodes],
                "merges_left": list(sweep.merges_left),
                "about": self._about(sweep.name),
            }
            for sweep in self._sweeps()
        ]
        return {
            "format": 1,
            "storage": self._storage.url,
            "read_at": datetime.now(UTC).isoformat(),
            "sweeps": sweeps,
            "damaged": list(self.damaged),
        }


_KEYS = (
    "name",
    "short",
    "parent",
    "stage",
    "recipes",
    "status",
    "first_step",
    "last_step",
    "step",
    "saved",
    "loss",
    "validation",
    "tokens_per_second",
    "seconds_left",
    "started",
    "heard",
    "machine",
    "process",
    "told",
    "last_event",
)
"""What --json tells of a node; they stay what they are."""
