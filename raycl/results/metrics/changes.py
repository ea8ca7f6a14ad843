"""What the last stage changed: forgetting of old corpora, adaptation to new ones.

Both ends of a change are losses as the training validated them, on the same rows.
"""

from __future__ import annotations

import math

from raycl.results.metrics.losses import end_loss, validated_loss
from raycl.results.metrics.registry import per_corpus
from raycl.results.outcome import (
    RecipeOutcome,
    StageFact,
    loss_after,
    new_in,
    validation_curve,
)


def learned_before(outcome: RecipeOutcome, corpus: str) -> bool:
    """Whether the corpus was learned before the last stage and is not new in it."""
    if not outcome.stages or outcome.is_baseline or corpus in new_in(outcome, outcome.stages[-1]):
        return False
    earlier = outcome.stages[:-1]
    return outcome.starts_trained or any(corpus in new_in(outcome, stage) for stage in earlier)


def learned_loss(outcome: RecipeOutcome, corpus: str) -> float:
    """R[k_d][d]: the loss when the corpus had been learned; NaN where `learned_before` is false.

    Of a corpus that only the pre-trained weights know, it is the loss before the first step.
    """
    if not learned_before(outcome, corpus):
        return math.nan
    for stage in reversed(outcome.stages[:-1]):
        if corpus in new_in(outcome, stage):
            return end_loss(outcome, corpus, stage)
    return loss_after(outcome, corpus, 0)


@per_corpus("forgetting")
def forgetting(outcome: RecipeOutcome, corpus: str) -> float:
    """R[last][d] − R[k_d][d] (nats/token); positive: forgotten."""
    return validated_loss(outcome, corpus) - learned_loss(outcome, corpus)


@per_corpus("forgetting_from_best")
def forgetting_from_best(outcome: RecipeOutcome, corpus: str) -> float:
    """Final loss minus the lowest ever measured in the recipe (nats/token); never negative."""
    if not learned_before(outcome, corpus):
        return math.nan
    return validated_loss(outcome, corpus) - float(validation_curve(outcome, corpus).min())


@per_corpus("adaptation")
def adaptation(outcome: RecipeOutcome, corpus: str) -> float:
    """Loss at the last stage's start minus final loss of a corpus new in it (nats/token).

    Positive: learned. NaN where the stage starts from random weights: a fall from there is no
    adaptation.
    """
    if outcome.is_baseline or not outcome.stages:
        return math.nan
    if corpus not in new_in(outcome, outcome.stages[-1]):
        return math.nan
    if not starts_learned(outcome, outcome.stages[-1]):
        return math.nan
    start = loss_after(outcome, corpus, outcome.stages[-1].first_step)
    return start - validated_loss(outcome, corpus)


def starts_learned(outcome: RecipeOutcome, stage: StageFact) -> bool:
    """Whether the stage starts from weights that have learned something."""
    return stage.first_step > 0 or outcome.starts_trained
