"""The annealing law is fitted to the measurements of a recipe's own last stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from raycl.advice.rules.law_points import stage_curve
from raycl.results.outcome import RecipeOutcome
from tests.advice.settings import advised, german, said
from tests.helpers.outcomes import ENGLISH, GERMAN

STEPS = 40


def curved() -> RecipeOutcome:
    """Two steps of English and 40 of German, of which every second one is validated."""
    steps = np.arange(-1, STEPS + 2)
    rates = np.where(steps < 2, 3e-3, 3e-3 * (1 + np.cos(np.pi * (steps - 2) / STEPS)) / 2)
    losses = np.where(steps % 2, 5 + 2 / np.sqrt(np.maximum(steps, 1)), np.nan)
    columns = {
        "step": steps,
        "seconds": 1.0,
        "learning_rate": rates,
        "validation/english": np.where(steps % 2, 4.0, np.nan),
        "validation/german": losses,
    }
    stages = (ENGLISH, replace(GERMAN, last_step=2 + STEPS))
    return german(0.05, 5.0, 5.0, stages=stages, history=pd.DataFrame(columns))


def test_the_curve_of_the_last_stage_counts_its_own_steps() -> None:
    rates, steps, losses = stage_curve(curved(), "german")
    assert len(rates) == STEPS
    assert steps.tolist() == list(range(2, STEPS + 1, 2))
    assert losses[-1] == 5 + 2 / np.sqrt(STEPS + 1)


def test_advice_fits_the_law_to_measurements_of_a_training() -> None:
    assert "learning rate annealing law (arXiv:2408.11029)" in said(advised([curved()]), "law")
