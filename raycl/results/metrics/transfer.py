"""Transfer between stages, backward and forward."""

from __future__ import annotations

import math

from raycl.results.metrics.changes import forgetting, learned_before
from raycl.results.metrics.losses import mean_of
from raycl.results.metrics.registry import per_recipe
from raycl.results.outcome import (
    RecipeOutcome,
    corpora_of,
    learned_corpora,
    loss_after,
    new_in,
)


@per_recipe("backward_transfer")
def backward_transfer(outcome: RecipeOutcome) -> float:
    """BWT = mean over corpora d learned before the last stage of R[k_d][d] − R[last][d].

    Nats/token; positive: later stages improved what was learned before. Lopez-Paz & Ranzato
    (2017) eq. 3, whose R are accuracies: of losses the difference is taken the other way round.
    A corpus on which no stage trains is not counted, so that listing one changes nothing.
    """
    trained = learned_corpora(outcome)
    corpora = [c for c in corpora_of([outcome]) if learned_before(outcome, c) and c in trained]
    return mean_of([-forgetting(outcome, corpus) for corpus in corpora])


@per_recipe("forward_transfer")
def forward_transfer(outcome: RecipeOutcome) -> float:
    """FWT = mean over corpora d first new in a later stage k of R[0][d] − R[start of k][d].

    R[0] is the loss before any training of the recipe. Nats/token; positive: earlier stages
    already lowered it. Lopez-Paz & Ranzato (2017) eq. 4, the other way round as above.
    """
    if outcome.is_baseline or not outcome.stages:
        return math.nan
    measured = corpora_of([outcome])
    known = {*outcome.knows, *outcome.stages[0].new}
    falls = []
    for stage in outcome.stages[1:]:
        for corpus in new_in(outcome, stage):
            if corpus in measured and corpus not in known:
                before = loss_after(outcome, corpus, stage.first_step)
                falls.append(loss_after(outcome, corpus, 0) - before)
        known.update(stage.new)
    return mean_of(falls)
