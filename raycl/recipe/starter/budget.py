"""A budget as somebody names it: tokens, passes over the text, or hours of training."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from raycl.errors import FieldError, InputError
from raycl.recipe.starter.sizes import GOOD_PASSES, VALIDATED
from raycl.units import format_count, format_seconds, parse_duration, parse_number

_PASSES = re.compile(r"(?P<number>[0-9.]+)\s*(x|times)")
_HOURS = re.compile(r"[0-9.]+\s*(h|hours?|d|days?|min|minutes?|w|weeks?)")
_REMEDY = "Give tokens (50M, 2B), hours for everything (6h, 2d), or passes over the text (1x)"


@dataclass(frozen=True)
class Budget:
    """How much is trained."""

    kind: Literal["tokens", "passes", "seconds"]
    """Tokens of the new stage, passes over the new text, or the time of the whole sweep."""
    value: float


@dataclass(frozen=True)
class Speed:
    """How fast a machine trains, by an estimate that says where it is from."""

    flops: float
    """Of training in a second, on all devices together."""
    source: str


def parse_budget(text: str) -> Budget:
    """The budget in an answer. Raises InputError."""
    written = text.strip().lower()
    try:
        if match := _PASSES.fullmatch(written):
            return _above_zero(Budget("passes", float(match["number"])), text)
        if _HOURS.fullmatch(written):
            span = parse_duration(re.sub(r"min$", "minutes", written))
            return _above_zero(Budget("seconds", span.total_seconds()), text)
        tokens = written.removesuffix("s").removesuffix("token").strip()
        return _above_zero(Budget("tokens", float(parse_number(tokens))), text)
    except (FieldError, ValueError) as error:
        raise InputError(repr(text), "neither tokens nor a time", _REMEDY) from error


def _above_zero(budget: Budget, text: str) -> Budget:
    if not 0 < budget.value < 1e18:
        raise InputError(repr(text), "no amount of training", _REMEDY)
    return budget


def stage_tokens(
    budget: Budget, text_tokens: int, lengths: float, flops_per_token: float, speed: Speed
) -> tuple[int, str]:
    """Tokens of the new stage, and how they follow from the budget.

    `lengths` is the training of the whole sweep in lengths of a stage.
    """
    if budget.kind == "tokens":
        return int(budget.value), ""
    if budget.kind == "passes":
        return int(budget.value * text_tokens), f"about {budget.value:g} × the new text"
    rate = speed.flops / flops_per_token
    tokens = int(rate * budget.value / (lengths * (1 + VALIDATED)))
    if tokens > GOOD_PASSES * text_tokens:
        note = f"{GOOD_PASSES} × the new text, which takes less than {format_seconds(budget.value)}"
        return GOOD_PASSES * text_tokens, f"{note} ({speed.source})"
    note = (
        f"{format_seconds(budget.value)} for {lengths:.3g} stages at {format_count(rate)} tokens/s "
        f"({format_count(flops_per_token)} FLOPs a token; {speed.source}), a tenth for validation"
    )
    return tokens, note
