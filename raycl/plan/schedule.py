"""learning_rate(step): every schedule is a pure function of the step within its stage.

Steps count from 0, the update of step t uses η(t), and no length is rounded (paper §1.1). Phases
are given as lengths, never as positions where they end. To add a schedule: write a class with a
`kind`, its fields, `phases` and `after_warmup`, and put it into `Schedule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from raycl.errors import FieldError
from raycl.plan.curves import Shape, descend
from raycl.units import Length, PhaseLength, parse_length, parse_number, parse_real

Array = NDArray[np.float64]
PARENT = "parent"
"""Written for a rate: the one at which the stage before ended."""


def _rate_or_parent(value: object) -> float | str:
    return PARENT if value == PARENT else parse_real(value)


def _rate_or_percentage(value: object) -> float | str:
    """A percentage stays one, so that a sweep over max_lr takes min_lr along."""
    number = parse_real(value)
    return str(value).strip() if str(value).strip().endswith("%") else number


Rate = Annotated[float | str, BeforeValidator(_rate_or_parent)]
Floor = Annotated[float | str, BeforeValidator(_rate_or_percentage)]


@lru_cache(maxsize=1024)
def rate_of(floor: float | str, whole: float) -> float:
    """A floor as a rate: itself, or the percentage of `whole` that it is."""
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
        if self.start_lr != PARENT and float(self.start_lr) < 0:
            raise FieldError(f"start_lr {self.start_lr:g} is below 0", "Give 0 or more")
        if self.known:
            self.check()
        return self

    @property
    def known(self) -> bool:
        """Whether no rate waits for the parent's."""
        return PARENT not in (self.max_lr, self.start_lr)

    @property
    def peak(self) -> float:
        """η_max. Raises ValueError before `after` has told the parent's rate."""
        return float(self.max_lr)

    def after(self, parent: float) -> Self:
        """The schedule with `parent` replaced by a rate. Raises ValueError as construction does."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        for name in ("max_lr", "start_lr"):
            fields[name] = parent if fields[name] == PARENT else fields[name]
        return type(self).model_validate(fields)

    def check(self) -> None:
        """Raise ValueError where the rates contradict each other; all of them are known."""

    def phases(self) -> dict[str, Length]:
        """The lengths whose sum must fit the stage, by name of their field."""
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
        """Rates `since` steps after the warm-up, of the `left` steps to the stage's end."""
        raise NotImplementedError


class _Decaying(BaseSchedule):
    min_lr: Floor = Field(
        default="10%", description="final learning rate, η_min: a rate, or a percentage of max_lr"
    )

    @property
    def floor(self) -> float:
        """η_min as a rate."""
        return rate_of(self.min_lr, self.peak)

    def check(self) -> None:
        if not 0 <= self.floor <= self.peak:
            raise FieldError(
                f"min_lr {self.min_lr} is outside 0 … max_lr {self.peak:g}", "Give a smaller one"
            )

    def fall(self, since: Array, length: float, shape: Shape) -> Array:
        """From max_lr to min_lr over `length` steps."""
        return descend(self.peak, self.floor, _position(since, length), shape)


def _position(since: Array, length: float) -> Array:
    return np.clip(since / max(length, 1e-300), 0.0, 1.0)


class Cosine(_Decaying):
    """Warm-up, then cosine decay (paper Eq. 1 and 2, §1.1-1.3).

    In a later stage this is the paper's re-warm and re-decay.
    """

    kind: Literal["cosine"] = "cosine"

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        return self.fall(since, left, "cosine")


class Linear(_Decaying):
    """Warm-up, then linear decay: η_min + (η_max − η_min)(1 − x)."""

    kind: Literal["linear"] = "linear"

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        return self.fall(since, left, "linear")


class Constant(BaseSchedule):
    """Constant (paper §1.4), with a warm-up if one is given."""

    kind: Literal["constant"] = "constant"
    warmup: PhaseLength = Field(default=parse_length("0%"), description="length of the warm-up")

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        return np.full_like(since, self.peak)


class WarmupStableDecay(_Decaying):
    """Warm-up, constant at max_lr, then a decay at the end.

    MiniCPM (arXiv 2404.06395); with `1-sqrt`, Hägele et al. (arXiv 2405.18392).
    """

    kind: Literal["wsd"] = "wsd"
    decay: PhaseLength = Field(default=parse_length("10%"), description="length of the decay")
    shape: Literal["linear", "1-sqrt"] = Field(default="1-sqrt", description="shape of the decay")

    def phases(self) -> dict[str, Length]:
        return {"warmup": self.warmup, "decay": self.decay}

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        decay = lengths["decay"]
        if decay == 0:
            return np.full_like(since, self.peak)
        return self.fall(since - (left - decay), decay, self.shape)


class Infinite(_Decaying):
    """Warm-up, cool-down to constant_lr, constant, and an exponential anneal if one is wanted.

    Paper §1.5, where `constant_iters_percent` is the position at which the plateau ends; here all
    are lengths and the plateau is what they leave. Without `anneal` the stage is a trunk with no
    end of its own (give its lengths in steps or tokens to extend it): anneal branches leave from
    it, and the next stage goes on at constant_lr.
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
        default=10.0, gt=0, description="of an inverse-sqrt cool-down, α"
    )
    anneal: PhaseLength | None = Field(
        default=None, description="length of an anneal at the stage's end"
    )

    def check(self) -> None:
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
        lengths = {"warmup": self.warmup, "cooldown": self.cooldown}
        return lengths if self.anneal is None else {**lengths, "anneal": self.anneal}

    def after_warmup(self, since: Array, left: float, lengths: Mapping[str, float]) -> Array:
        position = _position(since, lengths["cooldown"])
        trunk = descend(self.peak, self.constant_lr, position, self.shape, self.steepness)
        # On the plateau the rate is constant_lr to the bit, whatever the shape's arithmetic gives.
        trunk = np.where(position < 1, trunk, self.constant_lr)
        anneal = lengths.get("anneal", 0.0)
        if anneal == 0:
            return trunk
        begun = since - (left - anneal)
        tail = descend(self.constant_lr, self.floor, _position(begun, anneal), "exponential")
        return np.where(begun > 0, tail, trunk)


class Anneal(BaseModel):
    """Branches off a stage's trunk, for evaluation and deployment; the next stage goes on from it.

    paper §1.5: an exponential anneal from the trunk's rate to min_lr.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: tuple[PhaseLength, ...] = Field(
        default=(parse_length("100%"),),
        min_length=1,
        description="where branches leave the trunk: lengths of it; default: its end",
    )
    length: PhaseLength = Field(description="length of the anneal")
    min_lr: Floor = Field(description="final rate, or a percentage of the rate it begins with")
    shape: Literal["exponential", "linear", "1-sqrt", "cosine"] = "exponential"

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
        """The final rate. Raises ValueError where the anneal cannot end there."""
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
        """Learning rates of the updates `steps`; `total` is the trunk's way and the anneal's."""
        steps = np.asarray(steps, dtype=np.float64)
        position = (steps - self.at) / self.length
        begin, end = self._begin(tokens_per_step), self.floor(tokens_per_step)
        tail = descend(begin, end, position, self.shape)
        trunk = self.trunk.rates(steps, self.trunk_steps, tokens_per_step)
        return np.where(steps <= self.at, trunk, tail)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "rewarm": {"kind": "cosine", "max_lr": 3e-4, "min_lr": "10%", "warmup": "1%"},
    "reuse": {"kind": "cosine", "max_lr": PARENT, "min_lr": "1%", "warmup": "0%"},
    "continue": {"kind": "constant", "max_lr": PARENT},
}
"""Schedules by name. `rewarm`: the paper's re-warm and re-decay for 405M (§1.3). `reuse`: from the
parent's last rate to a hundredth of it, no warm-up ("Reuse, Don't Retrain", arXiv 2407.07263).
`continue`: constant at the parent's last rate, as later stages of an infinite schedule (§1.5)."""


def _named(value: object) -> object:
    if not isinstance(value, str):
        return value
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
