"""Numbers of one outcome: losses on D0 and D1, forgetting, and the bump after a hand-off.

All are nats/token on a validation split; `opening_peak` alone is of the training loss. A number
that the outcome does not give is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from raycl.reproduction.evidence.evidence import Corpora
from raycl.results.metrics import final_loss, forgetting
from raycl.results.outcome import RecipeOutcome, StageFact, loss_after, validation_curve


def last_loss(outcome: RecipeOutcome, corpus: str) -> float:
    """Final loss on a corpus. A merged model has no steps, so it is its only measurement."""
    if outcome.kind != "merged":
        return final_loss(outcome, corpus)
    curve = validation_curve(outcome, corpus)
    return float(curve.iloc[-1]) if len(curve) else math.nan


def _mean(values: Sequence[float]) -> float:
    """The mean; NaN where a value is missing, since the others' mean is another number."""
    return float(np.mean(values)) if values else math.nan


def loss_old(outcome: RecipeOutcome, corpora: Corpora) -> float:
    """Final loss on D0."""
    return _mean([last_loss(outcome, corpus) for corpus in corpora.first])


def loss_new(outcome: RecipeOutcome, corpora: Corpora) -> float:
    """Final loss on D1."""
    return _mean([last_loss(outcome, corpus) for corpus in corpora.last])


def average(outcome: RecipeOutcome, corpora: Corpora) -> float:
    """The paper's AVG: the mean of D0 and D1, each a mean over its corpora."""
    return _mean([loss_old(outcome, corpora), loss_new(outcome, corpora)])


def average_all(outcome: RecipeOutcome, corpora: Corpora) -> float:
    """Mean final loss over every corpus of the experiment."""
    return _mean([last_loss(outcome, corpus) for corpus in corpora.all])


def lost_old(outcome: RecipeOutcome, corpora: Corpora) -> float:
    """Forgetting of D0: final loss minus the loss when it had been learned."""
    return _mean([forgetting(outcome, corpus) for corpus in corpora.first])


def lost_all(outcome: RecipeOutcome, corpora: Corpora) -> float:
    """Mean forgetting over every corpus learned before the last stage."""
    return _mean([forgetting(outcome, corpus) for corpus in corpora.before_last])


def gained_new(outcome: RecipeOutcome, corpora: Corpora) -> float:
    """Adaptation: by how much the last stage lowered the loss on D1."""
    if not outcome.stages:
        return math.nan
    start = outcome.stages[-1].first_step
    before = _mean([loss_after(outcome, corpus, start) for corpus in corpora.last])
    return before - loss_new(outcome, corpora)


def peak_rise(outcome: RecipeOutcome, corpora: Corpora) -> float:
    """Highest loss on D0 in the last stage minus the loss at its hand-off (paper Fig. 8)."""
    if len(outcome.stages) < 2:
        return math.nan
    return _mean([_rise(outcome, corpus, outcome.stages[-1], 1.0) for corpus in corpora.first])


EARLY = 0.25
"""The part of a stage in which a bump after its hand-off is looked for."""


def hand_off_bump(outcome: RecipeOutcome, corpora: Corpora) -> float:
    """Rise of the loss on D0 in the first quarter of a stage, mean over the stages but the first.

    Negative where the loss only falls.
    """
    rises = [
        _rise(outcome, corpus, stage, EARLY)
        for stage in outcome.stages[1:]
        for corpus in corpora.first
    ]
    return _mean(rises)


def _rise(outcome: RecipeOutcome, corpus: str, stage: StageFact, part: float) -> float:
    if outcome.steps < stage.last_step:
        return math.nan
    curve = validation_curve(outcome, corpus)
    until = stage.first_step + part * (stage.last_step - stage.first_step)
    # The hand-off itself is left out, so that a loss that only falls gives a negative rise.
    within = curve[(curve.index > stage.first_step) & (curve.index <= until)]
    if within.empty:
        return math.nan
    return float(within.max()) - loss_after(outcome, corpus, stage.first_step)


OPENING = 0.10
"""The part of a stage in which a missing warm-up could show."""


def opening_peak(outcome: RecipeOutcome, _: Corpora) -> float:
    """Highest training loss in the first tenth of the last stage; every step of it is recorded.

    The very first step is left out: no update of the stage has touched its loss yet.
    """
    if "loss" not in outcome.history.columns or not outcome.stages:
        return math.nan
    stage = outcome.stages[-1]
    until = stage.first_step + max(2.0, OPENING * (stage.last_step - stage.first_step))
    steps = outcome.history["step"]
    within = outcome.history.loc[(steps > stage.first_step) & (steps < until), "loss"]
    return float(within.max()) if len(within) else math.nan


def learning_rates(outcome: RecipeOutcome, stage: StageFact) -> np.ndarray:
    """Learning rate of every recorded step of the stage."""
    if "learning_rate" not in outcome.history.columns:
        return np.empty(0)
    steps = outcome.history["step"].to_numpy(float)
    rates = outcome.history["learning_rate"].to_numpy(float)
    within = (steps >= stage.first_step) & (steps < stage.last_step)
    recorded: np.ndarray = rates[within & np.isfinite(rates)]
    return recorded
