"""How the steps of a training are computed and saved.

To add an option: give it a field in `Execution`, and read it as `training.execution.<field>` where
it has its effect. Nothing between the two names the fields. A field that changes what a step
computes has to be part of a state's name, as `precision` is; see `raycl/recipe/resolve.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from raycl.plan.configuration import Configuration
from raycl.plan.every import Every
from raycl.plan.layout import LayoutChoice
from raycl.units import Count, Span

Device = Literal["cpu", "cuda"]
"""The kind of device on which workers train."""
Precision = Literal["auto", "float32", "bfloat16"]


def precision_on(precision: Precision, device: Device) -> Literal["float32", "bfloat16"]:
    """What a precision means on a device: `auto` is bfloat16 on CUDA and float32 on the CPU."""
    if precision == "auto":
        return "bfloat16" if device == "cuda" else "float32"
    return precision


Recomputation = Literal["auto", "none", "selective", "full"]
"""What the backward pass computes again, instead of keeping it from the forward pass."""


class Execution(Configuration):
    """How steps are computed; nothing here changes which steps they are, except precision."""

    precision: Precision = Field(
        default="auto", description="of the computation; `auto`: bfloat16 on GPUs, else float32"
    )
    attention: Literal["auto", "sdpa", "flash", "eager"] = Field(
        default="auto", description="kernel of attention; `auto`: the fastest that is right"
    )
    layout: Literal["auto"] | LayoutChoice = Field(
        default="auto", description="how workers divide the model; `auto`: shards within a host"
    )
    compile: bool | Literal["auto"] = Field(
        default="auto", description="torch.compile for each block; `auto`: on GPUs"
    )
    activation_checkpointing: Recomputation = Field(
        default="auto", description="what the backward pass computes again, to save memory"
    )
    deterministic: bool = Field(
        default=False, description="the same bits from the same step on GPUs too, at less speed"
    )
    micro_batch: Count | None = Field(
        default=None, gt=0, description="rows per forward pass; without it, as many as fit"
    )
    save_every: Every | None = Field(
        default=timedelta(minutes=10),
        description="steps or time between states; null: the end of a node alone",
    )
    keep_every: Count | None = Field(
        default=None, gt=0, description="steps between states that stay, to branch from later"
    )
    keep_last: Count = Field(default=2, gt=0, description="states kept while training")
    keep: Literal["all", "weights"] = Field(
        default="all",
        description="what stays of the last state of a recipe: `weights` leaves the optimizer out, "
        "where nothing of the sweep goes on with it",
    )
    max_skipped: Count = Field(
        default=10,
        gt=0,
        description="steps in a row that may be skipped for a loss or gradient that is not finite",
    )
    step_timeout: Span | None = Field(
        default=timedelta(minutes=10),
        description="time after which a step that does not end ends its process, if it is also "
        "ten times the usual time of a step; null: never",
    )

    @field_validator("activation_checkpointing", mode="before")
    @classmethod
    def _flag(cls, value: object) -> object:
        """Earlier recipes have true or false here."""
        return {True: "full", False: "none"}[value] if isinstance(value, bool) else value

    def compiles(self, device: Device) -> bool:
        """Whether blocks are compiled; `auto` does so on CUDA, where it pays within minutes."""
        return device == "cuda" if self.compile == "auto" else self.compile

    @property
    def tensor_parallel(self) -> int:
        """The number of workers that hold parts of the same matrices and read the same rows."""
        return 1 if self.layout == "auto" else self.layout.tensor
