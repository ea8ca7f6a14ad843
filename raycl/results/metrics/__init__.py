"""What is measured of recipes: pure functions of their outcomes, each registered as a column.

R[k][d] is the validation loss on corpus d at the end of stage k, k_d the last earlier stage in
which d was new. Losses are nats/token. A number that a recipe has not reached (or that was never
measured) is NaN, so that an unfinished recipe is never compared as if it were finished. Baselines
have losses only, and NaN for everything that is about a change. Spikes and tokens to reach a loss
are known to the nearest validation only.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from raycl.results.metrics import (
    against_union,
    changes,
    effort,
    losses,
    spikes,
    standard_errors,
    tasks,
    transfer,
)
from raycl.results.metrics.against_union import TokensToReach, tokens_to_reach
from raycl.results.metrics.changes import (
    adaptation,
    forgetting,
    forgetting_from_best,
    learned_before,
    learned_loss,
)
from raycl.results.metrics.effort import replayed_rows, rows_read
from raycl.results.metrics.losses import (
    average_loss,
    end_loss,
    final_bits_per_byte,
    final_loss,
    loss_matrix,
    validated_loss,
)
from raycl.results.metrics.registry import METRICS, Metric
from raycl.results.metrics.sides import Sides, Weights, own_sides, side_mean, sides_of
from raycl.results.metrics.spikes import Spike, spike
from raycl.results.metrics.transfer import backward_transfer, forward_transfer
from raycl.results.outcome import RecipeOutcome

__all__ = [
    "Sides",
    "Spike",
    "TokensToReach",
    "Weights",
    "adaptation",
    "average_loss",
    "backward_transfer",
    "end_loss",
    "final_bits_per_byte",
    "final_loss",
    "forgetting",
    "forgetting_from_best",
    "forward_transfer",
    "learned_before",
    "learned_loss",
    "loss_matrix",
    "metric_columns",
    "own_sides",
    "replayed_rows",
    "rows_read",
    "side_mean",
    "sides_of",
    "spike",
    "tokens_to_reach",
    "validated_loss",
]

_IN_ORDER = (losses, standard_errors, changes, transfer, spikes, tasks, against_union, effort)
"""Order of the columns in the table. Metrics of other modules follow behind."""


def metric_columns(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> pd.DataFrame:
    """A line per recipe and a column for every registered metric that some recipe has."""
    columns: dict[str, Sequence[float]] = {}
    for metric in _ordered():
        for name, values in metric.columns(outcomes, corpora).items():
            if metric.always or not pd.isna(pd.Series(values, dtype="float64")).all():
                columns[name] = values
    return pd.DataFrame(columns)


def _ordered() -> list[Metric]:
    places = {module.__name__: place for place, module in enumerate(_IN_ORDER)}
    return sorted(METRICS.values(), key=lambda metric: places.get(metric.module, len(places)))
