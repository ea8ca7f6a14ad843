"""Anneals off a stage's trunk: what a recipe says of them, and the rates along one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from raycl.errors import FieldError
from raycl.plan.curves import Array, Shape, descend
from raycl.plan.schedule import BaseSchedule, Floor, rate_of
from raycl.units import PhaseLength, parse_length


class Anneal(BaseModel):
    """Branches off a stage's trunk, for evaluation and deployment; the next stage goes on from it.

    paper §1.5: an exponential anneal from the trunk's rate to min_lr.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: tuple[PhaseLength, ...] = Field(
        default=(parse_length("100%"),),
        min_length=1,
        max_length=1000,
        description="where branches leave the trunk: lengths of it; default: its end",
    )
    length: PhaseLength = Field(description="length of the anneal")
    min_lr: Floor = Field(description="final rate, or a percentage of the rate it begins with")
    shape: Literal["exponential", "linear", "1-sqrt", "cosine"] = Field(
        default="exponential", description="how the rate falls"
    )

    @model_validator(mode="before")
    @classmethod
    def _single(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("at"), str | int | float):
            return {**data, "at": [data["at"]]}
        return data


@dataclass(frozen=True)
class Annealed:
    """A schedule that is left after `at` steps for an anneal of `length` steps to `min_lr`."""

    trunk: BaseSchedule
    trunk_steps: int
    """The length of the trunk's stage, to which its phases refer."""
    at: int
    length: int
    min_lr: float | str
    shape: Shape

    @property
    def peak(self) -> float:
        """η_max of the trunk."""
        return self.trunk.peak

    def floor(self, tokens_per_step: int) -> float:
        """The final rate. Raises FieldError where the anneal cannot end there."""
        begin = self._begin(tokens_per_step)
        end = rate_of(self.min_lr, begin)
        if not 0 <= end <= begin or (end == 0 and self.shape == "exponential"):
            raise FieldError(
                f"min_lr {self.min_lr} is not between 0 and the rate {begin:g} at which the anneal "
                "begins",
                "Give a smaller one, above 0",
            )
        return end

    def _begin(self, tokens_per_step: int) -> float:
        at = np.array([self.at], dtype=np.float64)
        return float(self.trunk.rates(at, self.trunk_steps, tokens_per_step)[0])

    def rates(self, steps: Array, total: int, tokens_per_step: int) -> Array:
        """Learning rates of the updates `steps`, any shape; `total` counts trunk and anneal."""
        steps = np.asarray(steps, dtype=np.float64)
        position = (steps - self.at) / self.length
        begin, end = self._begin(tokens_per_step), self.floor(tokens_per_step)
        tail = descend(begin, end, position, self.shape)
        trunk = self.trunk.rates(steps, self.trunk_steps, tokens_per_step)
        return np.where(steps <= self.at, trunk, tail)
