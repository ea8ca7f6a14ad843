"""The forms that a stage has one after another, where its fields change inside it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from raycl.plan.anneal import Annealed
from raycl.plan.schedule import BaseSchedule
from raycl.plan.shifted import Shifted
from raycl.recipe.schema import Stage
from raycl.recipe.schema.change import StageChange, changed_schedule
from raycl.units import format_number


def without_changes(stage: Stage) -> Stage:
    """The stage as it begins."""
    return stage.model_copy(update={"changes": ()}) if stage.changes else stage


def changed(
    stage: Stage, change: StageChange, schedule: BaseSchedule | Annealed | Shifted | None = None
) -> Stage:
    """The stage after a change; `schedule` is its own with all rates known, where they are."""
    update: dict[str, Any] = change.fields
    if "steps" in update or "tokens" in update:
        update = {"steps": None, "tokens": None, **update}
    known = schedule.schedule if isinstance(schedule, Shifted) else schedule
    own = known if isinstance(known, BaseSchedule) else stage.schedule
    update["schedule"] = changed_schedule(own, change.schedule) if change.schedule else own
    return stage.model_copy(update=update)


@lru_cache(maxsize=1024)
def forms(stage: Stage) -> tuple[Stage, ...]:
    """The stage as it begins, and as it is after each of its changes."""
    found = [without_changes(stage)]
    for change in stage.changes:
        found.append(changed(found[-1], change))
    return tuple(found)


def as_written(change: StageChange) -> dict[str, Any]:
    """A change as its fields would be written in a recipe."""
    return {"from": str(change.start), **{n: _written(n, v) for n, v in change.fields.items()}}


def _written(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {inner: _written(name, each) for inner, each in value.items()}
    if isinstance(value, Fraction):
        share = name in ("replay", "mixture") and value <= 1
        return f"{format_number(value * 100)}%" if share else format_number(value)
    return _dumped(value)


def _dumped(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    return value if value is None or isinstance(value, int | float) else str(value)
