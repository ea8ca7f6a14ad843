"""Learning rates that are slips of the pen far more often than wishes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from raycl.errors import InputError
from raycl.plan.likely_rate import LARGE, TOO_LARGE, likely_rate
from raycl.recipe.schema import Recipe
from raycl.recipe.stage_changes import forms


def check_rates(recipes: Iterable[Recipe], where: str) -> None:
    """Raise InputError for a rate with which no training has a result.

    The recipe of a stored sweep is read without this check, so that its results can be looked at.
    """
    for stage, field, rate in _large_rates(recipes):
        if rate > TOO_LARGE:
            raise InputError(
                f"{where}: stages.{stage}.schedule.{field} {rate:g}",
                "AdamW would move each weight by about as much in every step",
                f"Did you mean {likely_rate(rate)}? The highest rate is {TOO_LARGE:g}",
            )


def rate_notes(recipes: Iterable[Recipe]) -> list[str]:
    """A question about each rate that is allowed and large."""
    return [
        f"{stage}.schedule.{field} is {rate:g}: did you mean {likely_rate(rate)}? AdamW moves each "
        "weight by about the rate in every step; with so high a rate it forgets what it has learned"
        for stage, field, rate in _large_rates(recipes)
    ]


def _large_rates(recipes: Iterable[Recipe]) -> Iterator[tuple[str, str, float]]:
    """Stage, field and rate of each rate that is larger than people want, each once."""
    stages = (stage for recipe in recipes for stage in recipe.stages)
    schedules = dict.fromkeys((s.name, form.schedule) for s in stages for form in forms(s))
    found: dict[tuple[str, str, float], None] = {}
    for stage, schedule in schedules:
        for field in type(schedule).model_fields:
            rate = getattr(schedule, field)
            if field.endswith("_lr") and isinstance(rate, float) and rate > LARGE:
                found[stage, field, rate] = None
    yield from found
