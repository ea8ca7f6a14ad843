"""One stage of a recipe as parts of its chain: one, or one more for each change inside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from raycl.errors import InputError
from raycl.plan.chain import ChainStage
from raycl.recipe.lengths import tokens_per_step, whole_steps
from raycl.recipe.past import Past, remember
from raycl.recipe.schema import Recipe, Stage
from raycl.recipe.schema.change import StageChange
from raycl.recipe.stage_changes import changed, without_changes
from raycl.recipe.stage_rows import CorpusFacts, check_carried, rest_of_stage
from raycl.units import Length


def stage_parts(
    recipe: Recipe,
    stage: Stage,
    corpora: Mapping[str, CorpusFacts],
    history: Past,
    at: Length | None,
) -> tuple[ChainStage, ...]:
    """The parts of the stage after `history`, to which they are added.

    A part is as in a stage that had its fields from the first step on: its rates and the rounding
    of its shares are those of its place in the whole stage. It reads each corpus on from where the
    part before has stopped, and goes on with its optimizer. `at` is where an anneal branch leaves
    the stage. Raises InputError for what cannot be read or scheduled.
    """
    check_carried(stage, history.latest)
    before, form, begin = history.copy(), without_changes(stage), 0
    parts = []
    for change in stage.changes:
        left = _place(recipe, stage, change, begin)
        whole = rest_of_stage(recipe, form, corpora, _reading_on(before, history), None, begin)
        if left > begin + whole.steps:
            raise _too_late(stage, change, begin + whole.steps)
        parts.append(replace(whole, steps=left - begin))
        remember(history, parts[-1])
        form, begin = changed(form, change, whole.schedule), left
    parts.append(rest_of_stage(recipe, form, corpora, _reading_on(before, history), at, begin))
    remember(history, parts[-1])
    return tuple(parts)


def _reading_on(before: Past, history: Past) -> Past:
    """What was seen before the stage, and the rows at which reading goes on inside of it.

    A stage's own data are not old to it, so that none of them are replayed after a change.
    """
    return replace(
        before, next_new=history.next_new, next_replay=history.next_replay, latest=history.latest
    )


def place_of(recipe: Recipe, stage: Stage, change: StageChange) -> int:
    """The steps of the stage before a change, which refers to its length without any changes."""
    whole = whole_steps(recipe, stage)
    return round(change.start.steps(whole, tokens_per_step(recipe)))


def _place(recipe: Recipe, stage: Stage, change: StageChange, begin: int) -> int:
    """The steps of the stage before a change. Raises InputError unless it is after `begin`."""
    left = place_of(recipe, stage, change)
    if left <= begin:
        raise InputError(
            f"stages.{stage.name}.changes.from {change.start}",
            f"step {left} of the stage, which is not after "
            + (f"the change before it, in step {begin}" if begin else "its first step"),
            "Give changes in their order, each of them a step or more after the one before",
        )
    return left


def _too_late(stage: Stage, change: StageChange, steps: int) -> InputError:
    return InputError(
        f"stages.{stage.name}.changes.from {change.start}",
        f"the stage has {steps} steps up to there",
        f"Give at most {steps} steps",
    )
