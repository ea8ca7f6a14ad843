"""The command that says what a sweep's numbers mean for the next decision."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from raycl.cli.options import HiddenStorage, StorageArgument, SweepName, given_storage
from raycl.cli.output import LastingConsole, print_whole

if TYPE_CHECKING:
    from raycl.advice.advice import Advice


def advise(
    place: StorageArgument = None,
    storage: HiddenStorage = None,
    name: SweepName = None,
    objective: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What you want: average, a corpus, a column of the table (loss/german), or weights"
            " (english=0.7,german=0.3); default: the search's, else average.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what to use and why, how sure that is, and what to run next; nothing is written.

    Example: `raycl advise runs/my --objective english=0.7,german=0.3`
    """
    from raycl.advice.stored import stored_advice
    from raycl.storage import Storage

    given = Storage(given_storage(place, storage, "raycl advise"))
    found = stored_advice(given, name, objective)
    console = LastingConsole()
    if as_json:
        console.say(json.dumps(_finite(asdict(found)), indent=2, ensure_ascii=False))
        return
    print_advice(found, console)


def print_advice(advice: Advice, console: LastingConsole) -> None:
    """Print the headline, what was compared, the points and the next command."""
    console.print(advice.headline, style="bold", markup=False, highlight=False)
    if advice.compared:
        console.print(f"\nCompared by {advice.objective}:", markup=False, highlight=False)
        print_whole(console, _table(advice))
    for point in advice.points:
        console.print()
        console.print(f"{point.title} [{point.kind}]", style="bold", markup=False, highlight=False)
        console.print(point.text, markup=False, highlight=False)
    if advice.command:
        console.print("\nNext:", style="bold")
        console.say(f"  {advice.command}")


def _table(advice: Advice) -> Table:
    from raycl.advice.words import interval_text

    table = Table(box=None, pad_edge=False)
    table.add_column("setting")
    for title in ("value", "behind the best"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for line in advice.compared:
        behind = interval_text(line.behind, signed=True) if line.behind.is_known else "–"
        table.add_row(line.setting, interval_text(line.value), behind, line.verdict)
    return table


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
