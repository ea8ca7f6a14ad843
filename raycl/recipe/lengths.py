"""The length of one stage, which its own fields say without the other stages."""

from __future__ import annotations

from fractions import Fraction

from raycl.errors import InputError
from raycl.recipe.schema import Recipe, Stage


def whole_steps(recipe: Recipe, stage: Stage) -> int:
    """The stage's length in steps; tokens are rounded to the nearest whole step, at least one."""
    if stage.steps is not None:
        return stage.steps
    return max(1, round(Fraction(stage.tokens or 0, tokens_per_step(recipe))))


def tokens_per_step(recipe: Recipe) -> int:
    """Tokens of a global batch."""
    return recipe.rows_per_step * recipe.sequence_length


def trained_steps(recipe: Recipe, stage: Stage) -> int:
    """The steps of a stage that are trained: all of them, or those up to `stop_after`.

    Raises InputError where `stop_after` is not within the stage.
    """
    whole = whole_steps(recipe, stage)
    if stage.stop_after is None:
        return whole
    steps = round(stage.stop_after.steps(whole, tokens_per_step(recipe)))
    if not 1 <= steps <= whole:
        raise InputError(
            f"stages.{stage.name}.stop_after {stage.stop_after}",
            f"{steps} steps of a stage of {whole}",
            f"Give 1 … {whole} steps",
        )
    return steps
