"""The merges that a merge search has measured: one small record each, and a table of all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import pandas as pd

from raycl.evaluation.store import read_losses
from raycl.recipe.merge_search import PlannedMergeSearch
from raycl.results.validation_rows import ValidationRows
from raycl.states.mark import Count
from raycl.storage import Storage, layout
from raycl.storage.record import Record, read_record, record_bytes
from raycl.units import format_number, parse_number


class MergeTrial(Record):
    """One merge that a search has tried; what was measured of it lies under the state's name."""

    WHAT: ClassVar[str] = "a merge that a search has tried"
    REMEDY: ClassVar[str] = "Remove the file: `raycl sweep` tries another merge in its place"

    number: Count
    """Its place among the tried ones, from 0."""
    state: str
    """The name that its state has, whether it was made or not."""
    weights: dict[str, str]
    """The weight of each corpus' model, as a number that is read exactly."""


@dataclass(frozen=True)
class Tried:
    """A merge that was tried, and its losses (nats/token) by corpus, as far as there are any."""

    number: int
    state: str
    weights: tuple[Fraction, ...]
    losses: Mapping[str, float]

    def objective(self, weights: Mapping[str, float]) -> float:
        """The weighted sum of its losses; NaN where one is missing."""
        return math.fsum(w * self.losses.get(corpus, math.nan) for corpus, w in weights.items())


def write_trial(
    storage: Storage,
    sweep: str,
    search: PlannedMergeSearch,
    number: int,
    weights: Sequence[Fraction],
) -> None:
    """Record that a merge was measured. Nothing happens where it is recorded already."""
    written = map(format_number, weights)
    trial = MergeTrial(
        number=number,
        state=search.name(weights),
        weights=dict(zip(search.shares, written, strict=True)),
    )
    storage.create(layout.sweep_merge_trial(sweep, trial.state), record_bytes(trial))


def read_trials(
    storage: Storage, sweep: str, search: PlannedMergeSearch, wanted: Sequence[ValidationRows]
) -> list[Tried]:
    """What was tried with the models of this search, in order, with losses on the wanted rows.

    A merge of other models, or with a weight out of the range, is left out. Requests: a listing,
    and two reads a merge. Raises InputError where a record is damaged.
    """
    files = storage.list(layout.sweep_merge_trials(sweep))
    states = [file.removesuffix(".json") for file in files if file.endswith(".json")]
    records = [
        read_record(storage, layout.sweep_merge_trial(sweep, state), MergeTrial) for state in states
    ]
    found = []
    for record in sorted(records, key=lambda record: (record.number, record.state)):
        weights = tuple(parse_number(value) for value in record.weights.values())
        if tuple(record.weights) == tuple(search.shares) and _belongs(search, record, weights):
            losses = losses_of(storage, record.state, wanted)
            found.append(Tried(record.number, record.state, weights, losses))
    return found


def losses_of(storage: Storage, state: str, wanted: Sequence[ValidationRows]) -> dict[str, float]:
    """What was measured of a merge, stored or not, on the wanted rows."""
    stored = read_losses(storage, state)
    return {rows.corpus: stored[rows.key] for rows in wanted if rows.key in stored}


def _belongs(search: PlannedMergeSearch, record: MergeTrial, weights: Sequence[Fraction]) -> bool:
    low, high = search.settings.weights.uniform
    inside = all(low <= weight <= high for weight in weights)
    return inside and search.name(weights) == record.state


def weight_fields(search: PlannedMergeSearch, weights: Sequence[Fraction]) -> dict[str, float]:
    """The weights as columns of a table, by corpus."""
    pairs = zip(search.shares, weights, strict=True)
    return {f"merge.weight.{corpus}": float(weight) for corpus, weight in pairs}


def write_table(
    storage: Storage,
    sweep: str,
    search: PlannedMergeSearch,
    tried: Sequence[Tried],
    objective: Mapping[str, float],
) -> None:
    """Write a line for each merge: its number, weights, losses (nats/token) and objective."""
    table = pd.DataFrame(
        [
            {
                "trial": one.number,
                **weight_fields(search, one.weights),
                **{f"loss/{corpus}": loss for corpus, loss in one.losses.items()},
                "objective": one.objective(objective),
                "state": one.state,
            }
            for one in tried
        ]
    )
    storage.write_bytes(layout.sweep_merge_table(sweep), table.to_csv(index=False).encode())
