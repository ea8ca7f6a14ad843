"""How the recipes of a sweep end, so that baselines are annealed as they are."""

from __future__ import annotations

from fractions import Fraction

from raycl.plan.anneal import Anneal
from raycl.plan.curves import Shape
from raycl.plan.schedule import Constant, Cosine, Infinite, Linear, WarmupStableDecay
from raycl.recipe.lengths import tokens_per_step, trained_steps, whole_steps
from raycl.recipe.schema import Recipe, Stage
from raycl.units import Length

END = Length(Fraction(1), "fraction")
"""The end of a stage."""


def never_falls(stage: Stage) -> bool:
    """Whether the stage's schedule ends on a plateau, from which an anneal has yet to lead down."""
    schedule = stage.schedule
    return isinstance(schedule, Constant) or (
        isinstance(schedule, Infinite) and schedule.anneal is None
    )


def trunk_steps(recipe: Recipe, stage: Stage) -> int:
    """The stage's steps up to where its last anneal branch leaves; all, where it has none."""
    steps = trained_steps(recipe, stage)
    if stage.anneal is None:
        return steps
    return max(round(at.steps(steps, tokens_per_step(recipe))) for at in stage.anneal.at)


def branch_steps(recipe: Recipe, stage: Stage) -> int:
    """The steps of the stage's anneal branches, from where they leave it; 0 without any."""
    if stage.anneal is None:
        return 0
    length = stage.anneal.length.steps(whole_steps(recipe, stage), tokens_per_step(recipe))
    return round(length)


def falling_part(recipe: Recipe, stage: Stage) -> Anneal | None:
    """The part of the stage in which its rates fall to the end, as an anneal.

    It is that of its branches, or of its own schedule; None where it stays on a plateau.
    """
    if stage.anneal is not None:
        return _anneal(branch_steps(recipe, stage), stage.anneal.min_lr, stage.anneal.shape)
    schedule, steps = stage.schedule, trained_steps(recipe, stage)
    shape: Shape
    if isinstance(schedule, WarmupStableDecay):
        length, shape = schedule.decay.steps(steps, tokens_per_step(recipe)), schedule.shape
    elif isinstance(schedule, Infinite) and schedule.anneal is not None:
        length, shape = schedule.anneal.steps(steps, tokens_per_step(recipe)), "exponential"
    elif isinstance(schedule, Cosine | Linear):
        length, shape = Fraction(steps), schedule.kind
    else:
        return None
    # A percentage is of the highest rate. Where that is the parent's, an anneal begins there too.
    return _anneal(round(length), schedule.floor if schedule.known else schedule.min_lr, shape)


def _anneal(steps: int, min_lr: float | str, shape: Shape) -> Anneal | None:
    if steps < 1:
        return None
    return Anneal.model_validate({"length": f"{steps} steps", "min_lr": min_lr, "shape": shape})


def annealed_like(stage: Stage, trunk: int, tail: Anneal | None, more: int) -> Stage:
    """The stage ended as the recipes are, with `trunk` + `more` steps in all.

    `more` are the steps that branches have beyond the trunk. A stage that stays on a plateau is
    left for the anneal `tail` at its end. Any other falls by itself and is that much longer.
    """
    whole = trunk + more
    plain = stage.model_copy(
        update={"steps": whole, "tokens": None, "stop_after": None, "anneal": None}
    )
    if tail is None or not _leads_down(stage, tail) or tail.length.value >= whole:
        return plain
    left = whole - int(tail.length.value)
    return plain.model_copy(update={"steps": left, "anneal": tail})


def _leads_down(stage: Stage, tail: Anneal) -> bool:
    """Whether the stage ends on a plateau that is above the anneal's final rate."""
    schedule = stage.schedule
    if not never_falls(stage):
        return False
    if isinstance(tail.min_lr, str) or not schedule.known:
        return True
    plateau = schedule.constant_lr if isinstance(schedule, Infinite) else schedule.peak
    return tail.min_lr < plateau
