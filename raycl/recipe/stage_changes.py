"""The forms that a stage has one after another, where its fields change inside it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from raycl.plan.anneal import Annealed
from raycl.plan.schedule import BaseSchedule
from raycl.plan.shifted import Shifted
from raycl.recipe.schema import Stage
from raycl.recipe.schema.change import StageChange, changed_schedule


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
