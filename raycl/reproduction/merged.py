"""E13: the end states of two stages are merged; here is what the merges have lost and learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import pandas as pd

from raycl.plan.training import Training
from raycl.results.outcome import RecipeOutcome, StageFact
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
    from raycl.evaluation.losses import evaluate_state
    from raycl.weights.merge import merge_states  # needs torch

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
        for density in DENSITIES:
            state = merge_states(storage, base, [outcome.state], density, 1.0)
            losses = evaluate_state(
                storage, state, list(training.corpora), training.validation.rows
            )
            found.append(_outcome(outcome, last, state, density, losses))
    return found


def _outcome(
    trained: RecipeOutcome,
    last: StageFact,
    state: str,
    density: Fraction,
    losses: dict[str, float],
) -> RecipeOutcome:
    line = {"step": last.last_step - 1} | {f"validation/{c}": v for c, v in losses.items()}
    end_of_first = trained.history[trained.history["step"] < last.first_step]
    history = pd.concat([end_of_first, pd.DataFrame([line])], ignore_index=True)
    label = f"merged {float(density):.0%} of {trained.label}"
    return replace(trained, label=label, kind="merged", history=history, state=state)
