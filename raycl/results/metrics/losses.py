"""Losses at the end of a stage and of a recipe, in nats/token and in bits per byte."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from raycl.results.metrics.registry import per_corpus, per_sweep
from raycl.results.outcome import (
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


@per_corpus("loss", always=True)
def final_loss(outcome: RecipeOutcome, corpus: str) -> float:
    """`end_loss` of the last stage (nats/token); NaN while the recipe is not there."""
    return end_loss(outcome, corpus, outcome.stages[-1]) if outcome.stages else math.nan


@per_corpus("bits_per_byte")
def final_bits_per_byte(outcome: RecipeOutcome, corpus: str) -> float:
    """Final loss in bits per byte of UTF-8 text: loss / ln 2 / bytes per token."""
    bytes_per_token = outcome.bytes_per_token.get(corpus, math.nan)
    return final_loss(outcome, corpus) / math.log(2) / bytes_per_token


def average_loss(outcome: RecipeOutcome, corpora: Sequence[str]) -> float:
    """Mean final loss over the corpora (nats/token), the paper's AVG."""
    return mean_of([final_loss(outcome, corpus) for corpus in corpora])


@per_sweep("average", always=True)
def average_losses(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> list[float]:
    """`average_loss` of every recipe over the corpora of the whole sweep (nats/token)."""
    return [average_loss(outcome, corpora) for outcome in outcomes]


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


def mean_of(values: Sequence[float]) -> float:
    """The mean; NaN where there is nothing to average, or one of the values is NaN."""
    return float(np.mean(values)) if len(values) else math.nan
