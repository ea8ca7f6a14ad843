"""A stage of a recipe: what it reads, for how long, and on how many workers."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from raycl.errors import FieldError
from raycl.plan.anneal import Anneal
from raycl.plan.configuration import Configuration
from raycl.plan.frozen import FrozenDict
from raycl.plan.schedule import PRESETS, Schedule
from raycl.plan.trained import ALL, Trains
from raycl.recipe.schema.amounts import MaxEpochs, Replay
from raycl.recipe.schema.change import StageChange, check_changes
from raycl.recipe.schema.common import (
    LATER,
    LONGEST_NAME,
    FrozenMapping,
    or_shorter,
)
from raycl.recipe.schema.loss_weight import LossWeight
from raycl.recipe.schema.mixture import StageMixture
from raycl.recipe.schema.short_forms import mixture_form
from raycl.units import Count, PhaseLength

_MOST_WORKERS = 10**5


class Workers(Configuration):
    """FSDP workers: a number, or a range that follows the machines there are."""

    min: Count = Field(gt=0, le=_MOST_WORKERS, description="with fewer, training waits")
    max: Count = Field(gt=0, le=_MOST_WORKERS, description="with more, none is gained")

    model_config = ConfigDict(json_schema_extra=or_shorter({"type": ["integer", "string"]}))

    @model_validator(mode="before")
    @classmethod
    def _number_alone(cls, data: Any) -> Any:
        return data if isinstance(data, (Mapping, Workers)) else {"min": data, "max": data}

    @model_validator(mode="after")
    def _ordered(self) -> Workers:
        if self.min > self.max:
            raise FieldError(f"min {self.min} is more than max {self.max}", "Exchange them")
        return self


class Stage(Configuration):
    """A mixture of corpora, a replay share, a schedule and a number of tokens."""

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]*$",
        max_length=LONGEST_NAME,
        description="by which sweeps and results know it",
    )
    mixture: Annotated[StageMixture, BeforeValidator(mixture_form)] = Field(
        default_factory=FrozenDict,
        description="share of each corpus in the new data, or two mixtures and how one becomes the "
        "other; default: the corpus named as the stage",
        json_schema_extra=or_shorter({"type": "string"}),
    )
    replay: Replay = Field(
        default=Fraction(0),
        description="share of old data in every batch, split by tokens seen; or the shares of "
        "corpora by name",
    )
    replay_from: Literal["seen", "all"] = Field(
        default="seen", description="replay only rows that were seen, or all rows of its corpora"
    )
    steps: Count | None = Field(default=None, gt=0, description="length in optimizer steps")
    tokens: Count | None = Field(
        default=None, gt=0, description="length in tokens, replay included"
    )
    stop_after: PhaseLength | None = Field(
        default=None,
        description="train only this first part of the stage; lengths refer to the whole",
    )
    schedule: Schedule = Field(
        description="the learning rate of each step",
        json_schema_extra=or_shorter({"enum": list(PRESETS)}),
    )
    anneal: Anneal | None = Field(
        default=None, description="branches off this stage; the next one goes on without them"
    )
    optimizer: Literal["reset", "carry"] = Field(
        default="reset", description="AdamW state at the hand-off into this stage"
    )
    trains: Trains = Field(
        default=ALL, description="the weights that it trains; the others stay as they are"
    )
    loss_weight: FrozenMapping[LossWeight] = Field(
        default_factory=FrozenDict,
        description="how much a token of a corpus counts in the loss, whatever its share of the "
        "rows; 1 where a corpus is not named, and only ratios matter",
    )
    at_end: Literal["repeat", "stop", "error"] = Field(
        default="error", description="when a corpus has no more rows"
    )
    max_epochs: MaxEpochs | None = Field(
        default=None,
        description="how often a corpus is read as new data at most, earlier stages included; or "
        "a number for each corpus that is named",
    )
    changes: tuple[StageChange, ...] = Field(
        default=(),
        max_length=1000,
        description="fields that have other values from a place of the stage on, in order; "
        "`raycl branch` writes them",
    )
    workers: Workers = Field(
        default=Workers(min=1, max=1),
        description="FSDP workers; {min: …, max: …} as machines come and go",
    )

    @model_validator(mode="after")
    def _length(self) -> Stage:
        if (self.steps is None) == (self.tokens is None):
            raise FieldError("give either `steps` or `tokens`", "Write one of them")
        if self.name == LATER:
            raise FieldError(f"{LATER!r} means every stage but the first", "Give another name")
        check_changes(self.schedule, self.changes)
        return self

    @property
    def replay_share(self) -> Fraction:
        """Share of old data in every batch."""
        if isinstance(self.replay, Fraction):
            return self.replay
        return sum(self.replay.values(), Fraction(0))
