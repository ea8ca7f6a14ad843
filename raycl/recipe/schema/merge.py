"""Merges that a recipe asks for: what each trained recipe is merged with, and how."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from raycl.errors import FieldError
from raycl.plan.configuration import Configuration
from raycl.plan.merge_method import MergeMethod
from raycl.recipe.schema.common import Text
from raycl.units import Share, Weight


class Merge(Configuration):
    """Merges of the end of every recipe with one other model; each weight gives one state."""

    partner: Text = Field(
        alias="with",
        description="`start` (the pretrained model), the name of an earlier stage, or the whole "
        "name of a state",
    )
    method: Literal["linear", "task-arithmetic", "ties"] = Field(
        default="linear", description="how the two models become one"
    )
    weights: tuple[Weight, ...] = Field(
        default=(),
        description="linear: the share of the trained weights, the partner has the rest; "
        "task-arithmetic: the factor on what training changed. Default: 50%, or 1",
    )
    densities: tuple[Share, ...] = Field(
        default=(), description="ties: the share of changes that stays. Default: 20%"
    )
    scale: Weight = Field(default=Fraction(1), description="ties: the factor on what stays")

    model_config = ConfigDict(serialize_by_alias=True)

    @model_validator(mode="after")
    def _numbers(self) -> Merge:
        if self.method == "ties" and self.weights:
            raise FieldError("ties has no weights", "Give densities and scale, or another method")
        if self.method != "ties" and (self.densities or self.scale != 1):
            raise FieldError(f"{self.method} has no densities and no scale", "Give weights")
        if self.method == "linear" and not all(0 <= weight <= 1 for weight in self.weights):
            raise FieldError("a weight is no share of the trained weights", "Give 0% to 100%")
        if not all(self.densities):
            raise FieldError("a density of 0 leaves nothing", "Give 1% to 100%")
        for numbers in (self.weights, self.densities):
            if len(set(numbers)) < len(numbers):
                raise FieldError("a number is given twice", "Give each once")
        return self

    @property
    def methods(self) -> list[MergeMethod]:
        """One for each state that it makes of a recipe."""
        if self.method == "ties":
            densities = self.densities or (Fraction(1, 5),)
            return [MergeMethod("ties", self.scale, density) for density in densities]
        default = Fraction(1, 2) if self.method == "linear" else Fraction(1)
        return [MergeMethod(self.method, weight) for weight in self.weights or (default,)]
