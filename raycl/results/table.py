"""From the outcomes of a sweep to one tidy table, and its files; docs/metrics.md defines it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pandas as pd

from raycl.errors import InputError
from raycl.results.metrics import metric_columns
from raycl.results.outcome import RecipeOutcome, corpora_of
from raycl.results.parquet import read_parquet, write_parquet
from raycl.storage import Storage, layout


def _one_type(values: list[object]) -> list[object]:
    """Swept values as one column of Parquet can hold them: all as numbers, or all as text."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        return [math.nan if value is None else float(str(value)) for value in values]
    return [None if value is None else str(value) for value in values]


def results_table(outcomes: Sequence[RecipeOutcome]) -> pd.DataFrame:
    """One line per recipe; columns that no recipe has a value for are left out."""
    corpora = corpora_of(outcomes)
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.fields))
    columns: dict[str, list[object]] = {
        "recipe": [outcome.label for outcome in outcomes],
        "kind": [outcome.kind for outcome in outcomes],
    }
    columns |= {
        name: _one_type([outcome.fields.get(name) for outcome in outcomes]) for name in names
    }
    after = {
        "state": [outcome.state for outcome in outcomes],
        "status": [outcome.status for outcome in outcomes],
    }
    parts = [pd.DataFrame(columns), metric_columns(outcomes, corpora), pd.DataFrame(after)]
    return pd.concat(parts, axis=1)


def slugs(labels: Sequence[str]) -> list[str]:
    """A file name for each label: readable, and no two alike."""
    taken: set[str] = set()
    names = []
    for label in labels:
        plain = re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-.") or "recipe"
        name, number = plain, 2
        while name in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(name)
        names.append(name)
    return names


def write_results(storage: Storage, sweep: str, outcomes: Sequence[RecipeOutcome]) -> pd.DataFrame:
    """Write the history of each recipe and the table of a sweep, as Parquet and as CSV.

    Returns the table.
    """
    table = results_table(outcomes)
    for slug, outcome in zip(slugs([o.label for o in outcomes]), outcomes, strict=True):
        write_parquet(storage, layout.sweep_history(sweep, slug), outcome.history)
    storage.write_bytes(layout.sweep_results(sweep, "csv"), table.to_csv(index=False).encode())
    write_parquet(storage, layout.sweep_results(sweep, "parquet"), table)
    return table


def read_results(storage: Storage, sweep: str) -> pd.DataFrame:
    """The table that `write_results` left of a sweep.

    Raises InputError where there is none, it is damaged, or a newer raycl wrote it.
    """
    path = layout.sweep_results(sweep, "parquet")
    if not storage.exists(path):
        raise InputError(
            storage.full_path(path), "there are no results yet", "Run the sweep first, or wait"
        )
    return read_parquet(storage, path, "Run the sweep or `raycl report` again")
