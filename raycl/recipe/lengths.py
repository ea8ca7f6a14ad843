"""The length and the mixture of one stage, which its own fields say without the other stages."""

from __future__ import annotations

from fractions import Fraction

from raycl.errors import InputError
from raycl.recipe.schema import Recipe, Stage
from raycl.units import format_number


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


def shares(stage: Stage) -> dict[str, Fraction]:
    """Each corpus' share of the stage's new data, which sum to 1.

    Values of 1 or less are shares; values that are all above 1 (tokens, say) are divided by
    their sum. Raises InputError where shares do not sum to 1.
    """
    mixture = dict(stage.mixture) or {stage.name: Fraction(1)}
    total = sum(mixture.values(), Fraction(0))
    if all(value > 1 for value in mixture.values()):
        return {corpus: value / total for corpus, value in mixture.items()}
    if any(value < 0 for value in mixture.values()):
        raise InputError(
            f"stages.{stage.name}.mixture", "a share is negative", "Leave the corpus out"
        )
    if total != 1:
        excess = "exceed" if total > 1 else "do not reach"
        raise InputError(
            f"stages.{stage.name}.mixture",
            f"the shares {excess} 1: they sum to {format_number(total)}",
            "Make them sum to 100%, or give tokens as weights (all above 1)",
        )
    return mixture
