"""A recipe against the baseline that trains on everything at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from raycl.results.metrics.losses import Loss, average_loss, final_loss, validated_loss
from raycl.results.metrics.registry import per_sweep
from raycl.results.metrics.sides import Sides, own_sides, sides_of
from raycl.results.outcome import MERGED, RecipeOutcome, validation_curve


@dataclass(frozen=True)
class TokensToReach:
    """Tokens until a loss was reached: counted over the recipe, and within its last stage alone."""

    recipe: float = math.nan
    last_stage: float = math.nan


def tokens_to_reach(
    outcome: RecipeOutcome, target: float, weights: Mapping[str, float] | None = None
) -> TokensToReach:
    """Tokens trained until the mean loss over the corpora is at or below `target` (nats/token).

    `weights`: of each corpus in the mean, which sum to 1; those of the recipe's own average unless
    given. NaN where it never is. Within the last stage it counts from the stage's start to the
    first such measurement made there.
    """
    weights = own_sides(outcome).weights if weights is None else weights
    if not outcome.stages or not weights:
        return TokensToReach()
    curves = [validation_curve(outcome, c) * weight for c, weight in weights.items()]
    together = pd.concat(curves, axis=1, join="inner")
    reached = together.index[together.sum(axis=1) <= target].to_numpy(float)
    start = outcome.stages[-1].first_step
    late = reached[reached >= start] - start
    first = [float(steps[0]) if len(steps) else math.nan for steps in (reached, late)]
    return TokensToReach(*(steps * outcome.tokens_per_step for steps in first))


def _best_union(
    outcomes: Sequence[RecipeOutcome], sides: Sides | None, loss: Loss = final_loss
) -> float:
    """The lowest average of a union baseline, measured with these sides; NaN where none has it."""
    unions = [outcome for outcome in outcomes if outcome.kind == "union"]
    averages = [average_loss(union, sides, loss) for union in unions]
    return min((loss for loss in averages if not math.isnan(loss)), default=math.nan)


@per_sweep("gap_to_union", always=True)
def gaps_to_union(outcomes: Sequence[RecipeOutcome], _: Sequence[str]) -> list[float]:
    """Average loss minus the best union's with the same sides (nats/token); positive: worse."""
    return [
        average_loss(outcome, sides) - _best_union(outcomes, sides)
        for outcome, sides in zip(outcomes, sides_of(outcomes), strict=True)
    ]


@per_sweep("tokens_to_union")
def tokens_to_union(outcomes: Sequence[RecipeOutcome], _: Sequence[str]) -> list[float]:
    """Tokens of the last stage until the best union's average is reached; NaN: never.

    The union's average is that of the rows on which the trainings validated, as on the way there.
    """
    found = []
    for outcome, sides in zip(outcomes, sides_of(outcomes), strict=True):
        if outcome.is_baseline or outcome.kind == MERGED or sides is None:
            found.append(math.nan)
            continue
        best = _best_union(outcomes, sides, validated_loss)
        found.append(tokens_to_reach(outcome, best, sides.weights).last_stage)
    return found
