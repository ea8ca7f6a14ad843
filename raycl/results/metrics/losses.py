"""Losses at the end of a stage and of a recipe, in nats/token and in bits per byte."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from raycl.results.metrics.registry import Columns, per_corpus, per_sweep, register
from raycl.results.metrics.sides import Sides, sides_of
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
    last 100 iterations. A stage without steps ends as it began.
    """
    if stage.first_step == stage.last_step:
        return loss_after(outcome, corpus, stage.last_step)
    curve = validation_curve(outcome, corpus)
    if stage.last_step not in curve.index:
        return math.nan
    window = 1 if corpus in outcome.last_alone else outcome.final_steps
    before = max(stage.last_step - window, stage.first_step)
    return float(curve[(curve.index > before) & (curve.index <= stage.last_step)].mean())


def validated_loss(outcome: RecipeOutcome, corpus: str) -> float:
    """`end_loss` of the last stage (nats/token), as the training validated; NaN before it."""
    return end_loss(outcome, corpus, outcome.stages[-1]) if outcome.stages else math.nan


@per_corpus("loss", always=True)
def final_loss(outcome: RecipeOutcome, corpus: str) -> float:
    """Loss at the recipe's end (nats/token); NaN while the recipe is not there.

    It is the one that `raycl evaluate` measured on more rows, where the outcome has it, and else
    `validated_loss`.
    """
    return outcome.measured.get(corpus, validated_loss(outcome, corpus))


@per_corpus("validation_rows")
def final_loss_rows(outcome: RecipeOutcome, corpus: str) -> float:
    """Validation rows on which the final loss was measured; NaN where none is known."""
    if math.isnan(final_loss(outcome, corpus)):
        return math.nan
    return float(outcome.validation_rows.get(corpus, math.nan))


@per_corpus("bits_per_byte")
def final_bits_per_byte(outcome: RecipeOutcome, corpus: str) -> float:
    """Final loss in bits per byte of UTF-8 text: loss / ln 2 / bytes per token."""
    bytes_per_token = outcome.bytes_per_token.get(corpus, math.nan)
    return final_loss(outcome, corpus) / math.log(2) / bytes_per_token


Loss = Callable[[RecipeOutcome, str], float]
"""A loss of an outcome on a corpus, in any unit."""


def average_loss(outcome: RecipeOutcome, sides: Sides | None, loss: Loss = final_loss) -> float:
    """The paper's AVG: the mean of what was learned before and of what is new (see `Sides`).

    NaN without sides, and where a corpus of them has no loss.
    """
    weights = sides.weights if sides else {}
    if not weights:
        return math.nan
    return math.fsum(weight * loss(outcome, corpus) for corpus, weight in weights.items())


@register("weight")
def weights_in_average(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> Columns:
    """Each corpus' weight in the recipe's average; 0: in no average, as no stage trains on it."""
    found = [sides.weights if sides else None for sides in sides_of(outcomes)]
    return {
        f"weight/{corpus}": [w.get(corpus, 0.0) if w else math.nan for w in found]
        for corpus in corpora
    }


@per_sweep("average", always=True)
def average_losses(outcomes: Sequence[RecipeOutcome], _: Sequence[str]) -> list[float]:
    """`average_loss` of every recipe (nats/token), a baseline's with the sides of the recipes."""
    pairs = zip(outcomes, sides_of(outcomes), strict=True)
    return [average_loss(outcome, sides) for outcome, sides in pairs]


@per_sweep("average_bits_per_byte")
def average_bits_per_byte(outcomes: Sequence[RecipeOutcome], _: Sequence[str]) -> list[float]:
    """`average_loss` of the losses in bits per byte."""
    pairs = zip(outcomes, sides_of(outcomes), strict=True)
    return [average_loss(outcome, sides, final_bits_per_byte) for outcome, sides in pairs]


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
