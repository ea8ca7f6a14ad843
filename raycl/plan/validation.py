"""When and on how many rows a training is validated."""

from __future__ import annotations

from pydantic import Field

from raycl.plan.configuration import Configuration
from raycl.units import Count


class Validation(Configuration):
    """The same rows of every corpus, every time."""

    every: Count | None = Field(default=None, gt=0, description="steps between validations")
    rows: Count = Field(default=64, gt=0, description="rows per corpus")
    final_steps: Count = Field(
        default=1, gt=0, description="a final loss is the mean of those in this many last steps"
    )
