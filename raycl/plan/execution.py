"""How the steps of a training are computed and saved.

To add an option: give it a field in `Execution`, and read it as `training.execution.<field>` where
it has its effect. Nothing between the two names the fields. A field that changes what a step
computes has to be part of a state's name, as `precision` is; see `raycl/recipe/resolve.py`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from raycl.plan.configuration import Configuration
from raycl.units import Count

Device = Literal["cpu", "cuda"]
"""The kind of device on which workers train."""
Precision = Literal["auto", "float32", "bfloat16"]


def precision_on(precision: Precision, device: Device) -> Literal["float32", "bfloat16"]:
    """What a precision means on a device: `auto` is bfloat16 on CUDA and float32 on the CPU."""
    if precision == "auto":
        return "bfloat16" if device == "cuda" else "float32"
    return precision


class Execution(Configuration):
    """How steps are computed; nothing here changes which steps they are, except precision."""

    precision: Precision = "auto"
    attention: Literal["auto", "sdpa", "flash", "eager"] = "auto"
    compile: bool = False
    activation_checkpointing: bool = False
    micro_batch: Count | None = Field(
        default=None, gt=0, description="rows per forward pass; without it, as many as fit"
    )
    save_every: Count | None = Field(default=None, gt=0, description="steps between states")
    keep_every: Count | None = Field(
        default=None, gt=0, description="steps between states that stay, to branch from later"
    )
    keep_last: Count = Field(default=2, gt=0, description="states kept while training")
    max_skipped: Count = Field(
        default=10,
        gt=0,
        description="steps in a row that may be skipped for a loss or gradient that is not finite",
    )
