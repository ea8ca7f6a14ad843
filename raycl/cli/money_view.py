"""Prints the hours and dollars of a plan, and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from raycl.plan.estimate import Bill, Estimate
from raycl.plan.prices import Prices
from raycl.plan.speed import Basis, Speed
from raycl.results.bill import format_hours
from raycl.units import format_count, format_dollars

_BASES: dict[Basis, str] = {
    "measured": "Measured: the median of trainings like these whose states are in the storage, "
    "with their time for validation, saves and starts.",
    "by hand": "By hand: tokens_per_second as it stands in the prices, not measured.",
    "assumed": "Assumed: from the model's FLOPs and the mfu in the prices, not measured.",
}


def print_estimates(found: Sequence[Estimate], prices: Prices, console: Console) -> None:
    """Print a column for each kind of machine, and on what its numbers rest."""
    table = Table("", *(one.kind for one in found), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, cell in _lines(found):
        cells = [cell(one) for one in found]
        if any(cells):
            table.add_row(name, *cells)
    console.print(table)
    for sentence in _sentences(found, prices):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


Cell = Callable[[Estimate], str]


def _lines(found: Sequence[Estimate]) -> list[tuple[str, Cell]]:
    """The name of each line of the table, and what stands in it for one kind of machine."""
    stages = list(found[0].speeds)
    return [
        *((f"speed of {stage}", _speed_of(stage)) for stage in stages),
        ("left to train", lambda one: _hours(one.left)),
        ("  its price", lambda one: _dollars(one.left)),
        ("  shortest time", lambda one: _time(one.hours)),
        ("  as spot, with waste", lambda one: _dollars(one.spot and one.spot.bill)),
        ("  waste of spot", lambda one: _hours(one.spot and one.spot.waste)),
        *((f"  best save_every of {stage}", _save_every_of(stage)) for stage in stages),
        (_kept(found), lambda one: _time(one.rented and one.rented.hours)),
        ("  their price", _rented_dollars),
        ("the whole tree", lambda one: _hours(one.whole)),
        ("  its price", lambda one: _dollars(one.whole)),
        ("saved by sharing", lambda one: _hours(one.shared)),
        ("  its price", lambda one: _dollars(one.shared)),
    ]


def _speed_of(stage: str) -> Cell:
    return lambda one: speed_text(one.speeds.get(stage))


def _save_every_of(stage: str) -> Cell:
    def cell(one: Estimate) -> str:
        steps = (one.save_every or {}).get(stage)
        return "" if steps is None else f"{steps:,}"

    return cell


def _kept(found: Sequence[Estimate]) -> str:
    return next((f"{one.rented.workers:,} workers kept" for one in found if one.rented), "")


def _rented_dollars(one: Estimate) -> str:
    if one.rented is None or one.rented.dollars is None:
        return ""
    return dollars_text(one.rented.dollars)


def _hours(bill: Bill | None) -> str:
    if bill is None:
        return ""
    return "no end" if math.isinf(bill.worker_hours) else f"{format_hours(bill.worker_hours)} w-h"


def _dollars(bill: Bill | None) -> str:
    return "" if bill is None else dollars_text(bill.dollars)


def _time(hours: float | None) -> str:
    """A duration for people."""
    if hours is None:
        return ""
    if hours < 2:
        return f"{hours * 60:.3g} min"
    return f"{hours:,.1f} h" if hours < 72 else f"{hours / 24:,.1f} days"


def dollars_text(value: float) -> str:
    """A price; of what interruptions never let end, that it has no end."""
    return "no end" if math.isinf(value) else format_dollars(value)


def speed_text(speed: Speed | None) -> str:
    """A speed, and where it comes from."""
    if speed is None:
        return "not known"
    rate = f"{format_count(speed.tokens_per_second)} tokens/s"
    if speed.basis != "measured":
        return f"{rate}, {speed.basis}"
    return f"{rate}, measured ({speed.states})"


def _sentences(found: Sequence[Estimate], prices: Prices) -> list[str]:
    """Where the prices are from, and on what each kind of number rests."""
    said = [f"w-h: hours of one worker. Prices: {prices.source}, {prices.date}."]
    speeds = [speed for one in found for speed in one.speeds.values()]
    bases = {speed.basis for speed in speeds if speed is not None}
    said += [text for basis, text in _BASES.items() if basis in bases]
    for one in found:
        missing = [stage for stage, speed in one.speeds.items() if speed is None]
        if missing:
            said.append(f"{one.kind}: {_no_basis(missing)}")
    return said


def _no_basis(stages: Sequence[str]) -> str:
    return (
        f"no hours and no dollars, because nothing says how fast it trains {', '.join(stages)}. "
        "The storage has no state of such a training on such a machine, and the prices give it "
        "neither tokens_per_second nor an mfu that could be used."
    )


def estimates_data(found: Sequence[Estimate]) -> list[Any]:
    """The estimates as JSON can hold them: null for what has no end."""
    return [_plain(asdict(one)) for one in found]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and math.isinf(value) else value
