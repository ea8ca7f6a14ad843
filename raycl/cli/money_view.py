"""Prints hours and dollars: of a plan, and of what was trained so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from raycl.plan.estimate import Bill, Estimate, Rented
from raycl.plan.prices import Prices
from raycl.plan.speed import Speed
from raycl.results.bill import format_hours
from raycl.units import format_count, format_dollars


def print_estimates(found: Sequence[Estimate], prices: Prices, console: Console) -> None:
    """Print a line for each kind of machine, and on what its numbers rest."""
    known = [estimate for estimate in found if estimate.left is not None]
    if known:
        console.print(_table(known))
    for sentence in money_sentences(found, prices):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _table(found: Sequence[Estimate]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("to train on")
    for column in ("worker-hours", "dollars", "shortest time"):
        table.add_column(column, justify="right")
    spot = any(estimate.spot for estimate in found)
    rented = any(estimate.rented for estimate in found)
    if spot:
        table.add_column("spot, with waste", justify="right")
        table.add_column("waste", justify="right")
    if rented:
        table.add_column("machines kept", justify="right")
    for one in found:
        cells = [one.kind, *_bill(one.left), hours_text(one.hours)]
        if spot:
            cells += _spot(one)
        if rented:
            cells.append(_rented(one.rented))
        table.add_row(*cells)
    return table


def _bill(bill: Bill | None) -> tuple[str, str]:
    return (
        ("", "") if bill is None else (format_hours(bill.worker_hours), dollars_text(bill.dollars))
    )


def _spot(one: Estimate) -> tuple[str, str]:
    if one.spot is None:
        return "", ""
    waste = one.spot.waste.worker_hours
    return dollars_text(one.spot.bill.dollars), f"{format_hours(waste)} worker-hours"


def _rented(rented: Rented | None) -> str:
    if rented is None:
        return ""
    price = "" if rented.dollars is None else f", {dollars_text(rented.dollars)}"
    return f"{hours_text(rented.hours)} on {rented.workers:,} workers{price}"


def money_sentences(found: Sequence[Estimate], prices: Prices) -> list[str]:
    """What the numbers rest on, what sharing saves, and how often to save."""
    said = [f"Prices: {prices.source}, {prices.date}."]
    for one in found:
        said += _basis(one)
        if one.shared is not None and one.whole is not None:
            said.append(
                f"{one.kind}: the whole tree takes {_both(one.whole)}; recipes that share no step "
                f"would take {_both(one.whole + one.shared)}: sharing saves {_both(one.shared)}."
            )
        for stage, steps in (one.save_every or {}).items():
            said.append(
                f"{one.kind}: interruptions of {stage} cost least at save_every: {steps:,}."
            )
    return said


def _basis(one: Estimate) -> list[str]:
    missing = [stage for stage, speed in one.speeds.items() if speed is None]
    lines = [
        f"{one.kind}: {stage} at {speed_text(speed)}."
        for stage, speed in one.speeds.items()
        if speed is not None
    ]
    if missing:
        lines.append(
            f"{one.kind}: no hours and no dollars, because nothing says how fast it trains "
            f"{', '.join(missing)}: no state of such work on such a machine is in the storage, and "
            "the prices give neither tokens_per_second nor mfu (or the FLOPs of the model are not "
            "known)."
        )
    return lines


def speed_text(speed: Speed) -> str:
    """A speed, and where it comes from."""
    rate = f"{format_count(speed.tokens_per_second)} tokens/s"
    if speed.basis == "assumed":
        return f"{rate}, ASSUMED from FLOPs and the mfu in the prices, not measured"
    if speed.basis == "by hand":
        return f"{rate}, by hand from the prices, not measured"
    states = "1 state" if speed.states == 1 else f"{speed.states} states"
    more = f"; {speed.overhead - 1:.0%} more time for validation, saves and starts"
    return f"{rate}, measured in {states}{more}"


def _both(bill: Bill) -> str:
    return f"{format_hours(bill.worker_hours)} worker-hours, {dollars_text(bill.dollars)}"


def dollars_text(value: float) -> str:
    """A price; of what interruptions never let end, that it has no end."""
    return "no end" if math.isinf(value) else format_dollars(value)


def hours_text(hours: float | None) -> str:
    """A duration for people."""
    if hours is None:
        return ""
    if hours < 2:
        return f"{hours * 60:.3g} min"
    return f"{hours:,.1f} h" if hours < 72 else f"{hours / 24:,.1f} days"


def estimates_data(found: Sequence[Estimate]) -> list[Any]:
    """The estimates as JSON can hold them: null for what has no end."""
    return [_plain(asdict(one)) for one in found]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and math.isinf(value) else value
