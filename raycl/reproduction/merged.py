"""E13: the end states of two stages are merged; here is what the merges have lost and learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import pandas as pd

from raycl.plan.training import Training
from raycl.results.outcome import RecipeOutcome, StageFact
from raycl.storage import Storage

DENSITIES = (Fraction(1, 10), Fraction(1, 5), Fraction(2, 5), Fraction(3, 5), Fraction(4, 5))
"""Densities of TIES to try. The paper takes the best and does not name the others (§5.9)."""
PREFIX = "e13"
Evaluate = Callable[[Storage, str, Sequence[str], int | None], dict[str, float]]


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
            rows = _rows(outcome, training)
            losses, measured = (
                _measured(storage, state, wanted, evaluate_state)
                for wanted in (rows, _more_rows(outcome))
            )
            made = _outcome(outcome, last, state, density, losses)
            found.append(replace(made, measured=measured))
    return found


def _rows(trained: RecipeOutcome, training: Training) -> dict[str, int]:
    """The rows of the corpora on which the history of the trained recipe is."""
    asked = dict.fromkeys(training.corpora, training.validation.rows)
    return asked | {c: n for c, n in trained.validation_rows.items() if c not in trained.measured}


def _more_rows(trained: RecipeOutcome) -> dict[str, int]:
    """The rows of the corpora on which the trained recipe has a final loss of more rows."""
    return {corpus: trained.validation_rows[corpus] for corpus in trained.measured}


def _measured(
    storage: Storage, state: str, rows: Mapping[str, int], evaluate: Evaluate
) -> dict[str, float]:
    """The losses of a state on as many rows of each corpus; the model is loaded once a number."""
    losses: dict[str, float] = {}
    for count in sorted(set(rows.values())):
        losses |= evaluate(storage, state, [c for c in rows if rows[c] == count], count)
    return losses


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
