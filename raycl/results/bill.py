"""What trainings have taken so far and what that costs: from the marks of the states they wrote.

Known is the time that led to a stored state: steps, validation, saving and the start of each
process. Not known, and in no bill, is what left no state: steps after the latest save of a process
that was lost, nodes that failed before their first, waiting machines, preparation, merges and
evaluations, and states that were removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from raycl.plan.estimate import Bill
from raycl.plan.prices import Prices
from raycl.states.completeness import read_marks
from raycl.states.mark import StateMark
from raycl.storage import Storage
from raycl.units import format_dollars

_HOUR = 3600.0


@dataclass(frozen=True)
class BillSoFar:
    """The time that led to some states, and its price."""

    priced: Bill
    """What has a price, where machines are not such as are taken back."""
    spot_dollars: float | None
    """The price of the same time on machines that are taken back; None where a part has none."""
    unpriced: Mapping[str, float]
    """Hours of workers on each device that the prices do not name."""
    states: int
    tokens: float
    """Tokens of what has a price."""
    without_device: int
    """How many of them an earlier raycl wrote, which did not note the device."""


def marks_along(storage: Storage, ends: Iterable[str]) -> dict[str, StateMark]:
    """The marks of states and of all with which their histories begin; a read of each.

    Those that were removed or are damaged are left out, and what is before them.
    """
    found: dict[str, StateMark] = {}
    pending = list(dict.fromkeys(ends))
    while pending:
        marks, _ = read_marks(storage, pending)
        found |= marks
        earlier = (mark.previous for mark in marks.values())
        pending = list(dict.fromkeys(name for name in earlier if name and name not in found))
    return found


def bill_so_far(marks: Iterable[StateMark], prices: Prices) -> BillSoFar:
    """The bill of the trainings that wrote these states; merges took no training."""
    states = [mark for mark in marks if mark.merged is None]
    priced, spot, tokens, unpriced = Bill(), 0.0, 0.0, dict[str, float]()
    all_spot = True
    for mark in states:
        device = mark.machine.device if mark.machine else None
        kind, hours = prices.kind_of(device), mark.worker_time / _HOUR
        if kind is None:
            name = device or "a device that was not noted"
            unpriced[name] = unpriced.get(name, 0.0) + hours
            continue
        priced += Bill(hours, hours * kind.dollars_per_worker_hour)
        tokens += mark.tokens * (1 - mark.previous_step / mark.step)
        all_spot = all_spot and kind.spot is not None
        if kind.spot is not None:
            spot += hours * kind.spot.dollars_per_hour / kind.workers
    unknown = sum(mark.machine is None for mark in states)
    has_spot = all_spot and priced.worker_hours > 0
    return BillSoFar(priced, spot if has_spot else None, unpriced, len(states), tokens, unknown)


def format_hours(value: float) -> str:
    """Hours of workers for people, with three digits."""
    return f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"


def bill_text(bill: BillSoFar) -> str:
    """What was trained so far and its price, in a sentence."""
    spot = "" if bill.spot_dollars is None else f" ({format_dollars(bill.spot_dollars)} as spot)"
    hours = f"{format_hours(bill.priced.worker_hours)} worker-hours"
    price = f"{format_dollars(bill.priced.dollars)}{spot}"
    states = "one state that is" if bill.states == 1 else f"{bill.states:,} states that are"
    said = [f"{hours}, {price}, led to the {states} stored"]
    said += [
        f"{format_hours(h)} more on {device} have no price"
        for device, h in sorted(bill.unpriced.items())
    ]
    if bill.without_device and not bill.unpriced:
        said.append(f"the device of {bill.without_device:,} of them was not noted")
    return "; ".join(said)
