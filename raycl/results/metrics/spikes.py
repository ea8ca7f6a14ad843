"""How far a loss rises after a hand-off, and how long it takes to come back."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raycl.results.metrics.changes import starts_learned
from raycl.results.metrics.registry import per_corpus
from raycl.results.outcome import MERGED, RecipeOutcome, StageFact, loss_after, validation_curve


@dataclass(frozen=True)
class Spike:
    """A hand-off's rise of the loss: `height` in nats/token, `recovery_tokens` from the start."""

    height: float = math.nan
    recovery_tokens: float = math.nan


def spike(outcome: RecipeOutcome, stage: StageFact, corpus: str) -> Spike:
    """The spike of a corpus that is new in this later stage or was learned before it.

    Height: highest loss in the stage minus the loss at its start, at least 0. Recovery: tokens
    from the stage's start to the first measurement after the highest one that is at or below the
    loss at the start; 0 where it never rose, NaN where it never came back. Both are NaN until the
    stage is through: the highest loss may still come.
    """
    curve = validation_curve(outcome, corpus)
    start = loss_after(outcome, corpus, stage.first_step)
    within = curve[(curve.index > stage.first_step) & (curve.index <= stage.last_step)]
    known = _can_spike(outcome, stage, corpus) and not math.isnan(start) and len(within) > 0
    if not known or outcome.steps < stage.last_step:
        return Spike()
    height = float(within.max()) - start
    if height <= 0:
        return Spike(0.0, 0.0)
    back = within[(within.index > within.idxmax()) & (within <= start)].index
    steps = float(back[0]) - stage.first_step if len(back) else math.nan
    return Spike(height, steps * outcome.tokens_per_step)


def _can_spike(outcome: RecipeOutcome, stage: StageFact, corpus: str) -> bool:
    """Whether the corpus is new in the stage or was learned before it, in a recipe with a past."""
    seen = [s for s in outcome.stages if s.first_step <= stage.first_step]
    met = outcome.starts_trained or any(corpus in s.new for s in seen)
    trained = not outcome.is_baseline and outcome.kind != MERGED
    return met and trained and starts_learned(outcome, stage)


def _last_spike(outcome: RecipeOutcome, corpus: str) -> Spike:
    return spike(outcome, outcome.stages[-1], corpus) if outcome.stages else Spike()


@per_corpus("spike")
def last_spike_height(outcome: RecipeOutcome, corpus: str) -> float:
    """Height of the spike at the hand-off to the last stage (nats/token)."""
    return _last_spike(outcome, corpus).height


@per_corpus("recovery_tokens")
def last_spike_recovery(outcome: RecipeOutcome, corpus: str) -> float:
    """Tokens until the loss is back after the hand-off to the last stage; NaN: never."""
    return _last_spike(outcome, corpus).recovery_tokens
