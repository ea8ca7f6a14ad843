"""A recipe against the baseline that trains on everything at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from raycl.results.metrics.losses import average_losses
from raycl.results.metrics.registry import per_sweep
from raycl.results.outcome import RecipeOutcome, corpora_of, validation_curve


@dataclass(frozen=True)
class TokensToReach:
    """Tokens until a loss was reached: counted over the recipe, and within its last stage alone."""

    recipe: float = math.nan
    last_stage: float = math.nan


def tokens_to_reach(
    outcome: RecipeOutcome, target: float, corpora: Sequence[str] | None = None
) -> TokensToReach:
    """Tokens trained until the mean loss over the corpora is at or below `target` (nats/token).

    `corpora`: all that the recipe is validated on unless given. NaN where it never is. Within the
    last stage it counts from the stage's start to the first such measurement made there.
    """
    if not outcome.stages:
        return TokensToReach()
    curves = [validation_curve(outcome, c) for c in corpora or corpora_of([outcome])]
    if not curves:
        return TokensToReach()
    together = pd.concat(curves, axis=1, join="inner")
    reached = together.index[together.mean(axis=1) <= target].to_numpy(float)
    start = outcome.stages[-1].first_step
    late = reached[reached >= start] - start
    first = [float(steps[0]) if len(steps) else math.nan for steps in (reached, late)]
    return TokensToReach(*(steps * outcome.tokens_per_step for steps in first))


def _best_union(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> float:
    """The lowest average of a union baseline, of which a sweep may have several; NaN: of none."""
    unions = [outcome for outcome in outcomes if outcome.kind == "union"]
    known = [loss for loss in average_losses(unions, corpora) if not math.isnan(loss)]
    return min(known, default=math.nan)


@per_sweep("gap_to_union", always=True)
def gaps_to_union(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> list[float]:
    """Average loss minus the best union's (nats/token); positive: worse than the union."""
    best = _best_union(outcomes, corpora)
    return [average - best for average in average_losses(outcomes, corpora)]


@per_sweep("tokens_to_union")
def tokens_to_union(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> list[float]:
    """Tokens of the last stage until the best union's average is reached; NaN: never."""
    best = _best_union(outcomes, corpora)
    return [
        math.nan if outcome.is_baseline else tokens_to_reach(outcome, best, corpora).last_stage
        for outcome in outcomes
    ]
