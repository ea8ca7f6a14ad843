"""Outcomes of merged models: what a trained recipe was merged to, measured as its training was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from raycl.results.outcome import MERGED, VALIDATION, RecipeOutcome


def merged_outcome(
    trained: RecipeOutcome, label: str, state: str, losses: Mapping[str, float]
) -> RecipeOutcome:
    """The outcome of a merge of a finished recipe's end, with its losses (nats/token) by corpus.

    Its history is that of the recipe up to its last stage, and one line at the recipe's end. So
    forgetting counts from where a corpus was learned, and nothing of the last stage's way there is
    taken for that of the merge.
    """
    last = trained.stages[-1]
    line = {"step": last.last_step - 1} | {VALIDATION + c: loss for c, loss in losses.items()}
    before = trained.history[trained.history["step"] < last.first_step]
    return replace(
        trained,
        label=label,
        kind=MERGED,
        history=pd.concat([before, pd.DataFrame([line])], ignore_index=True),
        state=state,
        merged_from=trained.label,
        tasks={},
    )


def more_rows(trained: RecipeOutcome) -> dict[str, int]:
    """The rows of the corpora on which the trained recipe has a final loss of more rows."""
    return {corpus: trained.validation_rows[corpus] for corpus in trained.measured}
