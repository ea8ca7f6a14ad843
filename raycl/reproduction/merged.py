"""E13: the end states of two stages are merged; here is what the merges have lost and learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from raycl.evaluation.store import read_tasks
from raycl.plan.merge_method import ties
from raycl.plan.training import Training
from raycl.results.merged import merged_outcome, more_rows
from raycl.results.outcome import RecipeOutcome
from raycl.storage import Storage

DENSITIES = (Fraction(1, 10), Fraction(1, 5), Fraction(2, 5), Fraction(3, 5), Fraction(4, 5))
"""Densities of TIES to try. The paper takes the best and does not name the others (§5.9)."""
PREFIX = "e13"


def merged_outcomes(
    experiment: str,
    trainings: Mapping[str, Training],
    outcomes: Sequence[RecipeOutcome],
    storage: Storage,
) -> list[RecipeOutcome]:
    """For E13: the first stage's end merged with the end of each finished recipe without replay.

    `experiment` is the name of the sweep's experiment, `trainings` are those of its recipes by
    label. A merge is made and measured once, and its losses are one line of its history. Any other
    experiment has none.
    """
    from raycl.evaluation.merged_losses import MergeTask, make_and_measure  # needs torch

    if not experiment.startswith(PREFIX):
        return []
    found = []
    for outcome in outcomes:
        last = outcome.stages[-1] if outcome.stages else None
        if outcome.kind != "sweep" or outcome.status != "finished" or last is None:
            continue
        if last.replay_share > 0 or len(outcome.stages) < 2:
            continue
        training = trainings[outcome.label]
        base = training.chain.name(last.first_step)
        rows = (_rows(outcome, training), more_rows(outcome))
        for density in DENSITIES:
            label = f"merged {float(density):.0%} of {outcome.label}"
            task = MergeTask(label, base, (outcome.state,), ties(density), rows)
            state, (losses, measured) = make_and_measure(storage, task)
            made = merged_outcome(outcome, label, state, losses)
            found.append(replace(made, measured=measured, tasks=read_tasks(storage, state)))
    return found


def _rows(trained: RecipeOutcome, training: Training) -> dict[str, int]:
    """The rows of the corpora on which the history of the trained recipe is."""
    asked = dict.fromkeys(training.corpora, training.validation.rows)
    return asked | {c: n for c, n in trained.validation_rows.items() if c not in trained.measured}
