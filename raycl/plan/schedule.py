"""learning_rate(step): every schedule is a pure function of the step within its stage.

Steps count from 0, the update of step t uses η(t), and no length is rounded (paper §1.1). Phases
are given as lengths, never as the positions at which they end. To add a schedule, write a class
with a `kind`, its fields, `phases` and `after_warmup`, and add it to the union `Schedule` below.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from raycl.errors import FieldError
from raycl.plan.curves import Shape, descend
from raycl.plan.likely_rate import likely_rate
from raycl.units import Length, PhaseLength, parse_length, parse_number, parse_real

Array = NDArray[np.float64]
_HIGHEST_RATE = 1000.0
"""AdamW moves a weight by about the rate in each step: a higher one is a slip of the pen."""
PARENT = "parent"
"""Written in place of a rate, it means the rate at which the stage before ended."""


def _rate_or_parent(value: object) -> float | str:
    return PARENT if value == PARENT else parse_real(value)


def _rate_or_percentage(value: object) -> float | str:
    """A percentage is kept as text, so that min_lr follows max_lr where a sweep changes it."""
    number = float(parse_number(value))
    return str(value).strip() if str(value).strip().endswith("%") else number


Rate = Annotated[float | str, BeforeValidator(_rate_or_parent)]
Floor = Annotated[float | str, BeforeValidator(_rate_or_percentage)]


@lru_cache(maxsize=1024)
def rate_of(floor: float | str, whole: float) -> float:
    """A floor as a rate: the number itself, or that percentage of the rate `whole`."""
    if isinstance(floor, str):
        return float(parse_number(floor) * parse_number(whole))
    return floor


class BaseSchedule(BaseModel):
    """A linear warm-up from start_lr to max_lr (paper Eq. 1), and what a schedule does then."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_lr: Rate = Field(description="peak learning rate, η_max; `parent`: where the parent ended")
    start_lr: Rate = Field(
        default=0.0, description="where the warm-up starts: 0, a rate, or `parent`"
    )
    warmup: PhaseLength = Field(default=parse_length("1%"), description="length of the warm-up")

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.max_lr != PARENT and not float(self.max_lr) > 0:
            raise FieldError(f"max_lr {self.max_lr:g} is not above 0", "Give a rate such as 3e-4")
        if self.max_lr != PARENT and not float(self.max_lr) <= _HIGHEST_RATE:
            raise FieldError(
                f"max_lr {self.max_lr:g} is above {_HIGHEST_RATE:g}",
                f"Did you mean {likely_rate(float(self.max_lr))}?",
            )
        if self.start_lr != PARENT and float(self.start_lr) < 0:
            raise FieldError(f"start_lr {self.start_lr:g} is below 0", "Give 0 or more")
        if self.start_lr != PARENT and not float(self.start_lr) <= _HIGHEST_RATE:
            raise FieldError(
                f"start_lr {self.start_lr:g} is above {_HIGHEST_RATE:g}", "Give 0 or a small rate"
            )
        if self.known:
            self.check()
        return self

    @property
    def known(self) -> bool:
        """Whether all rates are numbers, so that none is taken from the parent."""
        return PARENT not in (self.max_lr, self.start_lr)

    @property
    def peak(self) -> float:
        """η_max. Raises ValueError where it is the parent's rate, which `after` fills in."""
        return float(self.max_lr)

    def after(self, parent: float) -> Self:
        """The schedule with `parent` replaced by a rate. Raises ValidationError as construction."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        for name in ("max_lr", "start_lr"):
            fields[name] = parent if fields[name] == PARENT else fields[name]
        return type(self).model_validate(fields)

    def check(self) -> None:
        """Raise FieldError where the rates contradict each other; called when all are known."""

    def phases(self) -> dict[str, Length]:
        """The lengths whose sum must fit into the stage, by the name of their field."""
        return {"warmup": self.warmup}

    def rates(self, steps: Array, total: int, tokens_per_step: int) -> Array:
        """Learning rates of the updates `steps` (any shape) of a stage of `total` steps."""
        lengths = {k: float(v.steps(total, tokens_per_step)) for k, v in self.phases().items()}
        warmup = lengths["warmup"]
        steps = np.asarray(steps, dtype=np.float64)
        later = self.after_warmup(steps - warmup, total - warmup, lengths)
        if warmup == 0:
            return later
        start = float(self.start_lr)
        return np.where(steps <= warmup, start + (self.peak - start) * steps / warmup, later)

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        """Rates `since` steps after the warm-up; `left` steps lie between it and the stage's end.

        `since` has any shape and is negative before the end of the warm-up, where the result is
        not used. `lengths` holds the phases in steps.
        """
        raise NotImplementedError


class _Decaying(BaseSchedule):
    """A schedule whose rate falls to a lowest rate."""

    min_lr: Floor = Field(
        default="10%", description="final learning rate, η_min: a rate, or a percentage of max_lr"
    )

    @property
    def floor(self) -> float:
        """η_min as a rate."""
        return rate_of(self.min_lr, self.peak)

    def check(self) -> None:
        """Raise FieldError where the lowest rate is not between 0 and the highest."""
        if not 0 <= self.floor <= self.peak:
            raise FieldError(
                f"min_lr {self.min_lr} is outside 0 … max_lr {self.peak:g}", "Give a smaller one"
            )

    def fall(self, since: Array, length: float, shape: Shape) -> Array:
        """Rates on the way from max_lr to min_lr, which takes `length` steps."""
        return descend(self.peak, self.floor, _position(since, length), shape)


def _position(since: Array, length: float) -> Array:
    """The share of a phase that has passed, 0 … 1. A phase without length has passed at once."""
    return np.clip(since / max(length, 1e-300), 0.0, 1.0)


class Cosine(_Decaying):
    """Warm-up, then cosine decay (paper Eq. 1 and 2, §1.1-1.3).

    In a later stage this is the paper's re-warm and re-decay.
    """

    kind: Literal["cosine"] = "cosine"

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        """The cosine from max_lr to min_lr over all steps that are left."""
        return self.fall(since, left, "cosine")


class Linear(_Decaying):
    """Warm-up, then linear decay: η_min + (η_max − η_min)(1 − x)."""

    kind: Literal["linear"] = "linear"

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        """The line from max_lr to min_lr over all steps that are left."""
        return self.fall(since, left, "linear")


class Constant(BaseSchedule):
    """Constant (paper §1.4), with a warm-up if one is given."""

    kind: Literal["constant"] = "constant"
    warmup: PhaseLength = Field(default=parse_length("0%"), description="length of the warm-up")

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        """max_lr at every step."""
        return np.full_like(since, self.peak)


class WarmupStableDecay(_Decaying):
    """Warm-up, constant at max_lr, then a decay at the end.

    MiniCPM (arXiv 2404.06395); with `1-sqrt`, Hägele et al. (arXiv 2405.18392).
    """

    kind: Literal["wsd"] = "wsd"
    decay: PhaseLength = Field(default=parse_length("10%"), description="length of the decay")
    shape: Literal["linear", "1-sqrt"] = Field(default="1-sqrt", description="shape of the decay")

    def phases(self) -> dict[str, Length]:
        """The lengths of all phases but the plateau, which takes what they leave."""
        return {"warmup": self.warmup, "decay": self.decay}

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        """max_lr, and the decay in the last steps."""
        decay = lengths["decay"]
        if decay == 0:
            return np.full_like(since, self.peak)
        return self.fall(since - (left - decay), decay, self.shape)


class Infinite(_Decaying):
    """Warm-up, cool-down to constant_lr, constant, and an exponential anneal if one is wanted.

    Paper §1.5. There `constant_iters_percent` is the position at which the plateau ends; here all
    phases are lengths, and the plateau takes the steps that they leave. Without `anneal` the stage
    is a trunk without an end of its own (give its lengths in steps or tokens to extend it): anneal
    branches leave from it, and the next stage goes on at constant_lr.
    """

    kind: Literal["infinite"] = "infinite"
    constant_lr: Annotated[float, BeforeValidator(parse_real)] = Field(
        gt=0, description="rate of the plateau, η_const"
    )
    cooldown: PhaseLength = Field(default=parse_length("60%"), description="length of cool-down")
    shape: Literal["cosine", "inverse-sqrt", "linear"] = Field(
        default="cosine", description="shape of the cool-down"
    )
    steepness: Annotated[float, BeforeValidator(parse_real)] = Field(
        # Beyond these limits the curve's own arithmetic loses it: 1 + α is 1, or α is infinite.
        default=10.0,
        ge=1e-6,
        le=1e9,
        description="of an inverse-sqrt cool-down, α",
    )
    anneal: PhaseLength | None = Field(
        default=None, description="length of an anneal at the stage's end"
    )

    def check(self) -> None:
        """Raise FieldError where the plateau or an anneal cannot have its rate."""
        super().check()
        if not self.floor <= self.constant_lr <= self.peak:
            raise FieldError(
                f"constant_lr {self.constant_lr:g} is outside min_lr {self.floor:g} … max_lr "
                f"{self.peak:g}",
                "Give a rate between them",
            )
        if self.anneal is not None and self.floor == 0:
            raise FieldError(
                "min_lr 0 is never reached by an exponential anneal", "Give more than 0"
            )

    def phases(self) -> dict[str, Length]:
        """The lengths of all phases but the plateau, which takes what they leave."""
        lengths = {"warmup": self.warmup, "cooldown": self.cooldown}
        return lengths if self.anneal is None else {**lengths, "anneal": self.anneal}

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        """The cool-down, the plateau, and in the last steps the anneal."""
        position = _position(since, lengths["cooldown"])
        trunk = descend(self.peak, self.constant_lr, position, self.shape, self.steepness)
        # States are named by the bits of their rates, and the shape's arithmetic may end one bit
        # beside constant_lr.
        trunk = np.where(position < 1, trunk, self.constant_lr)
        anneal = lengths.get("anneal", 0.0)
        if anneal == 0:
            return trunk
        begun = since - (left - anneal)
        tail = descend(self.constant_lr, self.floor, _position(begun, anneal), "exponential")
        return np.where(begun > 0, tail, trunk)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "rewarm": {"kind": "cosine", "max_lr": 3e-4, "min_lr": "10%", "warmup": "1%"},
    "reuse": {"kind": "cosine", "max_lr": PARENT, "min_lr": "1%", "warmup": "0%"},
    "continue": {"kind": "constant", "max_lr": PARENT},
}
"""Schedules by name. `rewarm`: the paper's re-warm and re-decay for 405M (§1.3). `reuse`: from the
parent's last rate to a hundredth of it, no warm-up ("Reuse, Don't Retrain", arXiv 2407.07263).
`continue`: constant at the parent's last rate, as later stages of an infinite schedule (§1.5)."""


def _named(value: object) -> object:
    """The fields of a preset, where a schedule is given by its name."""
    if not isinstance(value, str):
        return value
    if value in KINDS:
        raise FieldError(
            f"{value} is the kind of a schedule, which needs its highest rate",
            f"Write {{kind: {value}, max_lr: 3e-4}}, or a schedule by name: {', '.join(PRESETS)}",
        )
    if value not in PRESETS:
        raise FieldError("there is no such schedule", f"Give {', '.join(PRESETS)} or its fields")
    return dict(PRESETS[value])


Schedule = Annotated[
    Annotated[
        Cosine | Linear | Constant | WarmupStableDecay | Infinite, Field(discriminator="kind")
    ],
    BeforeValidator(_named),
]
KINDS = ("cosine", "linear", "constant", "wsd", "infinite")
"""The `kind` of each schedule in the union."""
