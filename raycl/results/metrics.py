"""What is measured of one recipe: pure functions of its outcome.

R[k][d] is the validation loss on corpus d at the end of stage k, k_d the last earlier stage in
which d was new. Losses are nats/token. A number that a recipe has not reached (or that was never
measured) is NaN, so that an unfinished recipe is never compared as if it were finished; baselines
have losses only, and NaN for everything that is about a change. Spikes and tokens to reach a loss
are known to the nearest validation only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from raycl.results.outcome import (
    ROWS,
    RecipeOutcome,
    StageFact,
    corpora_of,
    loss_after,
    validation_curve,
)


def end_loss(outcome: RecipeOutcome, corpus: str, stage: StageFact) -> float:
    """Validation loss at a stage's end: the mean over its last `final_steps` steps.

    These are the measurements after more than last_step − final_steps and at most last_step
    steps, within the stage. NaN unless one was made after last_step. The paper averages over the
    last 100 iterations.
    """
    curve = validation_curve(outcome, corpus)
    if stage.last_step not in curve.index:
        return math.nan
    before = max(stage.last_step - outcome.final_steps, stage.first_step)
    return float(curve[(curve.index > before) & (curve.index <= stage.last_step)].mean())


def final_loss(outcome: RecipeOutcome, corpus: str) -> float:
    """`end_loss` of the last stage (nats/token); NaN while the recipe is not there."""
    return end_loss(outcome, corpus, outcome.stages[-1]) if outcome.stages else math.nan


def final_bits_per_byte(outcome: RecipeOutcome, corpus: str) -> float:
    """Final loss in bits per byte of UTF-8 text: loss / ln 2 / bytes per token."""
    bytes_per_token = outcome.bytes_per_token.get(corpus, math.nan)
    return final_loss(outcome, corpus) / math.log(2) / bytes_per_token


def average_loss(outcome: RecipeOutcome, corpora: Sequence[str]) -> float:
    """Mean final loss over the corpora (nats/token), the paper's AVG."""
    return _mean([final_loss(outcome, corpus) for corpus in corpora])


def loss_matrix(outcome: RecipeOutcome) -> pd.DataFrame:
    """R (nats/token): lines (stage, "start" | "end") in the recipe's order, a column per corpus.

    A start is the one measurement before the stage's first step, an end is an `end_loss`.
    """
    corpora = corpora_of([outcome])
    places: list[tuple[str, str]] = []
    lines: list[list[float]] = []
    for stage in outcome.stages:
        places += [(stage.name, "start"), (stage.name, "end")]
        lines.append([loss_after(outcome, corpus, stage.first_step) for corpus in corpora])
        lines.append([end_loss(outcome, corpus, stage) for corpus in corpora])
    index = pd.MultiIndex.from_tuples(places, names=["stage", "at"]) if places else None
    return pd.DataFrame(lines, index=index, columns=pd.Index(corpora), dtype="float64")


def learned_before(outcome: RecipeOutcome, corpus: str) -> bool:
    """Whether the corpus was learned before the last stage and is not new in it."""
    if not outcome.stages or outcome.is_baseline or corpus in outcome.stages[-1].new:
        return False
    return outcome.starts_trained or any(corpus in stage.new for stage in outcome.stages[:-1])


def learned_loss(outcome: RecipeOutcome, corpus: str) -> float:
    """R[k_d][d]: the loss when the corpus had been learned; NaN where `learned_before` is false.

    Of a corpus that only the pre-trained weights know, it is the loss before the first step.
    """
    if not learned_before(outcome, corpus):
        return math.nan
    for stage in reversed(outcome.stages[:-1]):
        if corpus in stage.new:
            return end_loss(outcome, corpus, stage)
    return loss_after(outcome, corpus, 0)


def forgetting(outcome: RecipeOutcome, corpus: str) -> float:
    """R[last][d] − R[k_d][d] (nats/token); positive: forgotten."""
    return final_loss(outcome, corpus) - learned_loss(outcome, corpus)


def forgetting_from_best(outcome: RecipeOutcome, corpus: str) -> float:
    """Final loss minus the lowest ever measured in the recipe (nats/token); never negative."""
    if not learned_before(outcome, corpus):
        return math.nan
    return final_loss(outcome, corpus) - float(validation_curve(outcome, corpus).min())


def adaptation(outcome: RecipeOutcome, corpus: str) -> float:
    """Loss at the last stage's start minus final loss of a corpus new in it (nats/token).

    Positive: learned. NaN where the stage starts from random weights: a fall from there is no
    adaptation.
    """
    if outcome.is_baseline or not outcome.stages or corpus not in outcome.stages[-1].new:
        return math.nan
    if not _starts_learned(outcome, outcome.stages[-1]):
        return math.nan
    start = loss_after(outcome, corpus, outcome.stages[-1].first_step)
    return start - final_loss(outcome, corpus)


def backward_transfer(outcome: RecipeOutcome) -> float:
    """BWT = mean over corpora d learned before the last stage of R[k_d][d] − R[last][d].

    Nats/token; positive: later stages improved what was learned before. Lopez-Paz & Ranzato
    (2017) eq. 3, whose R are accuracies: of losses the difference is taken the other way round.
    """
    corpora = [corpus for corpus in corpora_of([outcome]) if learned_before(outcome, corpus)]
    return _mean([-forgetting(outcome, corpus) for corpus in corpora])


def forward_transfer(outcome: RecipeOutcome) -> float:
    """FWT = mean over corpora d first new in a later stage k of R[0][d] − R[start of k][d].

    R[0] is the loss before any training of the recipe. Nats/token; positive: earlier stages
    already lowered it. Lopez-Paz & Ranzato (2017) eq. 4, the other way round as above.
    """
    if outcome.is_baseline or not outcome.stages:
        return math.nan
    measured = corpora_of([outcome])
    known = set(outcome.stages[0].new)
    falls = []
    for stage in outcome.stages[1:]:
        for corpus in stage.new:
            if corpus in measured and corpus not in known:
                before = loss_after(outcome, corpus, stage.first_step)
                falls.append(loss_after(outcome, corpus, 0) - before)
        known.update(stage.new)
    return _mean(falls)


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
    known = _spikes(outcome, stage, corpus) and not math.isnan(start) and len(within) > 0
    if not known or outcome.steps < stage.last_step:
        return Spike()
    height = float(within.max()) - start
    if height <= 0:
        return Spike(0.0, 0.0)
    back = within[(within.index > within.idxmax()) & (within <= start)].index
    steps = float(back[0]) - stage.first_step if len(back) else math.nan
    return Spike(height, steps * outcome.tokens_per_step)


def _spikes(outcome: RecipeOutcome, stage: StageFact, corpus: str) -> bool:
    seen = [s for s in outcome.stages if s.first_step <= stage.first_step]
    met = outcome.starts_trained or any(corpus in s.new for s in seen)
    return met and not outcome.is_baseline and _starts_learned(outcome, stage)


def _starts_learned(outcome: RecipeOutcome, stage: StageFact) -> bool:
    """Whether the stage starts from weights that have learned something."""
    return stage.first_step > 0 or outcome.starts_trained


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


def rows_read(outcome: RecipeOutcome) -> dict[str, int]:
    """Rows (sequences) of each corpus that the whole recipe really read so far."""
    columns = [column for column in outcome.history.columns if column.startswith(ROWS)]
    return {c.removeprefix(ROWS): int(outcome.history[c].sum()) for c in columns}


def replayed_rows(outcome: RecipeOutcome, stage: StageFact) -> tuple[int, int]:
    """(rows of corpora that are not new, all rows) that this stage really read so far."""
    history = outcome.history
    columns = [column for column in history.columns if column.startswith(ROWS)]
    if not columns:
        return 0, 0
    within = history[(history["step"] >= stage.first_step) & (history["step"] < stage.last_step)]
    counts = within[columns].sum()
    old = [column for column in columns if column.removeprefix(ROWS) not in stage.new]
    return int(counts[old].sum()), int(counts.sum())


def _mean(values: Sequence[float]) -> float:
    """NaN where there is nothing to average, or one of the values is NaN."""
    return float(np.mean(values)) if len(values) else math.nan
