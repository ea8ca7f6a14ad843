"""The rates of a stage of which an earlier part had other fields."""

from __future__ import annotations

from dataclasses import dataclass

from raycl.plan.anneal import Annealed
from raycl.plan.curves import Array
from raycl.plan.schedule import BaseSchedule


@dataclass(frozen=True)
class Shifted:
    """A schedule from one of its steps on: as if its stage had been trained by it from the first.

    Its steps count from `begin` steps of the whole stage on.
    """

    schedule: BaseSchedule | Annealed
    begin: int
    whole: int
    """Length of the whole stage in steps, to which the schedule's phases refer."""

    @property
    def peak(self) -> float:
        """η_max of the whole schedule."""
        return self.schedule.peak

    @property
    def kind(self) -> str:
        """The kind of the schedule, as results have it."""
        return str(getattr(self.schedule, "kind", "anneal"))

    def rates(self, steps: Array, total: int, tokens_per_step: int) -> Array:  # noqa: ARG002 (as those of a schedule)
        """Learning rates of the updates `steps`, any shape, that come after `begin`."""
        return self.schedule.rates(steps + self.begin, self.whole, tokens_per_step)
