"""Lets small nodes fill the slots that a large one waits for, without making it wait longer.

When the most urgent node does not fit, the slots that are free would lie idle until enough of them
are. So that node gets a reservation, and others may overtake it if they end before it can start, or
take slots that it leaves over (EASY backfilling: Lifka, JSSPP 1995). The time of a reservation is
never moved back, so that wrong estimates cannot keep a large node out for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Busy(NamedTuple):
    """What a running node holds."""

    workers: int
    end: float
    """When it is expected to end."""


@dataclass(frozen=True)
class Reservation:
    """The promise that a node starts when enough slots are free."""

    node: str
    at: float
    """When it is expected to start."""
    spare: float
    """Slots that it will leave over then."""

    def lets(self, workers: int, end: float) -> bool:
        """Whether a node of so many workers, which ends then, may overtake."""
        return workers <= self.spare or end <= self.at


def reservation(
    node: str, needs: int, slots: float, running: Iterable[Busy], promised: float | None = None
) -> Reservation:
    """The reservation of a node that needs more slots than are free.

    `promised` is the time of its earlier reservation. A node larger than all slots starts alone.
    """
    by_end = sorted(running, key=lambda busy: busy.end)
    free, at = slots - sum(busy.workers for busy in by_end), 0.0
    for busy in by_end:
        if free >= needs and busy.end > at:
            break
        free, at = free + busy.workers, busy.end
    return Reservation(node, at if promised is None else min(at, promised), max(0.0, free - needs))
