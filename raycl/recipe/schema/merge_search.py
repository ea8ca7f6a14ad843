"""A search over the weights with which models of single corpora are merged."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from pydantic import Field, model_validator

from raycl.errors import FieldError
from raycl.plan.configuration import Configuration
from raycl.recipe.schema.common import Text
from raycl.units import Count, Weight, format_number

AVERAGE = "average"
_MOST_TRIALS = 10_000


class WeightRange(Configuration):
    """The range of every weight; all weights in it are as likely at first."""

    uniform: tuple[Weight, Weight] = Field(description="the lowest and the highest weight")

    @model_validator(mode="after")
    def _ordered(self) -> WeightRange:
        low, high = self.uniform
        if not low < high:
            problem = f"{format_number(low)} is not below {format_number(high)}"
            raise FieldError(f"weights.uniform: {problem}", "Give the lower one first")
        if max(abs(low), abs(high)) > 10:
            raise FieldError("weights.uniform reaches beyond 10", "Give a range such as [0, 1]")
        return self


class MergeSearch(Configuration):
    """One model for each corpus of the last stage, and the best weights to merge them with.

    Together the models are trained for as many steps as the last stage has.
    """

    base: Text | None = Field(
        default=None,
        description="from which changes are counted: `start` (the pretrained model) or an earlier "
        "stage. Default: the model with which the last stage begins",
    )
    weights: WeightRange = Field(
        default=WeightRange(uniform=(Fraction(0), Fraction(1))),
        description="the factor on what each model has learned",
    )
    trials: Count = Field(
        default=30, gt=0, le=_MOST_TRIALS, description="merges that are tried and measured in all"
    )
    sampler: Literal["tpe", "gp", "random"] = Field(
        default="tpe", description="who proposes weights: one of Optuna's samplers, or chance alone"
    )
    seed: Count = Field(default=0, le=2**32 - 1, description="draws the proposals")
    objective: Text = Field(
        default=AVERAGE,
        description="what shall be low: `average` (the AVG of the results, with the shares of the "
        "recipe as it is written), or the loss on a corpus",
    )
