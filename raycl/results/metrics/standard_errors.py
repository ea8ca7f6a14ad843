"""How sure a final loss is, by the documents that it was measured on."""

from __future__ import annotations

import math

from raycl.results.metrics.losses import final_loss
from raycl.results.metrics.registry import per_corpus
from raycl.results.outcome import RecipeOutcome
from raycl.results.uncertainty.bootstrap import standard_error


@per_corpus("standard_error")
def loss_standard_error(outcome: RecipeOutcome, corpus: str) -> float:
    """Standard error of the final loss over independent documents (nats/token).

    NaN where no losses by document are stored, or fewer than two documents were measured.
    """
    sums = outcome.row_losses.get(corpus)
    if sums is None or math.isnan(final_loss(outcome, corpus)):
        return math.nan
    return standard_error(sums)


@per_corpus("validation_documents")
def measured_documents(outcome: RecipeOutcome, corpus: str) -> float:
    """Documents of which parts are in the rows of the final loss; NaN where none are known."""
    sums = outcome.row_losses.get(corpus)
    if sums is None or math.isnan(final_loss(outcome, corpus)):
        return math.nan
    return float(len(sums))
