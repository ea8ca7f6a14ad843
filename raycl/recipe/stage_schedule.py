"""The schedule of one stage with every rate known, and that of an anneal branch along it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from pydantic import ValidationError

from raycl.errors import FieldError, InputError
from raycl.plan.anneal import Annealed
from raycl.plan.chain import ChainStage
from raycl.plan.schedule import BaseSchedule
from raycl.recipe.lengths import tokens_per_step, trained_steps, whole_steps
from raycl.recipe.load import problem_of
from raycl.recipe.schema import Recipe, Stage
from raycl.units import Length, format_number


def end_rate(stage: ChainStage, per_step: int) -> float:
    """The rate at which a stage ended: the one that its next update would have."""
    return float(stage.rates(stage.steps, stage.steps + 1, per_step)[0])


def known_schedule(stage: Stage, parent: float | None) -> BaseSchedule:
    """The schedule with the parent's rate filled in. Raises InputError."""
    field = f"stages.{stage.name}.schedule"
    if stage.schedule.known:
        return stage.schedule
    if parent is None:
        raise InputError(field, "no stage before the first one ended at any rate", "Give a rate")
    if parent == 0:
        raise InputError(field, "the stage before ended at a rate of 0", "Give a rate above 0")
    try:
        return stage.schedule.after(parent)
    except ValidationError as error:
        problem, remedy = problem_of(error.errors()[0])
        raise InputError(
            field,
            f"after a stage that ended at {parent:g}: {problem}",
            remedy or "Give a rate",
        ) from error


def check_phases(stage: Stage, steps: int, per_step: int) -> None:
    """Raise InputError where a schedule's phases are longer than the stage."""
    lengths = stage.schedule.phases()
    total = sum((length.steps(steps, per_step) for length in lengths.values()), Fraction(0))
    if total > steps:
        raise InputError(
            f"stages.{stage.name}.schedule.{'+'.join(lengths)}",
            f"{format_number(total)} steps, longer than the stage's {steps}",
            "Make it shorter",
        )


def annealed(
    recipe: Recipe, stage: Stage, schedule: BaseSchedule, at: Length
) -> tuple[Annealed, int]:
    """The schedule of a branch, and its steps from the stage's start. Raises InputError."""
    anneal = stage.anneal
    if anneal is None:
        raise ValueError(f"stage {stage.name} has no anneal")
    field = f"stages.{stage.name}.anneal"
    per_step, whole = tokens_per_step(recipe), whole_steps(recipe, stage)
    trunk = trained_steps(recipe, stage)
    begin, length = round(at.steps(trunk, per_step)), round(anneal.length.steps(whole, per_step))
    earliest = float(schedule.warmup.steps(whole, per_step))
    if not max(1, earliest) <= begin <= trunk:
        raise InputError(
            f"{field}.at {at}",
            f"step {begin}, outside the trunk's steps after its warm-up",
            f"Give {max(1, int(np.ceil(earliest)))} … {trunk} steps",
        )
    if length < 1:
        raise InputError(f"{field}.length {anneal.length}", "less than a step", "Make it longer")
    branch = Annealed(schedule, whole, begin, length, anneal.min_lr, anneal.shape)
    try:
        branch.floor(per_step)
    except FieldError as error:
        place = f"{field}.min_lr {anneal.min_lr}"
        raise InputError(place, error.problem, error.remedy) from error
    return branch, begin + length
