"""From the outcomes of a sweep to one tidy table, and its files; docs/metrics.md defines it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

import pandas as pd

from raycl.errors import InputError
from raycl.results.metrics import metric_columns
from raycl.results.outcome import RecipeOutcome, corpora_of
from raycl.results.parquet import read_parquet, write_parquet
from raycl.results.search_results import FRONT, front_column, objective_of
from raycl.results.settings import settings_table
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
    if any(outcome.knows for outcome in outcomes):
        columns["knows"] = [", ".join(outcome.knows) for outcome in outcomes]
    columns |= {
        name: _one_type([outcome.fields.get(name) for outcome in outcomes]) for name in names
    }
    after: dict[str, list[object]] = {
        "state": [outcome.state for outcome in outcomes],
        "status": [outcome.status for outcome in outcomes],
    }
    if any(outcome.setting for outcome in outcomes):
        after["setting"] = [outcome.setting or outcome.label for outcome in outcomes]
        after["seed"] = [outcome.seed for outcome in outcomes]
    if any(outcome.notes for outcome in outcomes):
        after["note"] = [" ".join(outcome.notes) for outcome in outcomes]
    parts = [pd.DataFrame(columns), metric_columns(outcomes, corpora), pd.DataFrame(after)]
    table = pd.concat(parts, axis=1)
    objective = objective_of(outcomes)
    if objective is not None and len(objective.goals) > 1:
        place = list(table.columns).index("state")
        table.insert(place, FRONT, front_column(table, objective))
    return table


_PLAIN = re.compile(r"[a-z0-9]+(\.[0-9]+)?( [a-z0-9]+(\.[0-9]+)?)*")
_DIGEST = re.compile(r"(^| )[0-9a-f]{12}$")
_READABLE = 60
"""Characters of a label in its file's name; what follows tells any two labels apart."""


def file_name(label: str) -> str:
    """The name of a label's file: readable, at most 80 lower-case characters, no two labels' alike.

    It depends on the label alone, so that no other set of recipes takes it. Plain words are their
    own name, and any other label has a digest at the end.
    """
    if len(label) <= _READABLE and _PLAIN.fullmatch(label) and not _DIGEST.search(label):
        return label.replace(" ", "-")
    digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{_readable(label)[:_READABLE].rstrip('-.')}-{digest}"


def _readable(label: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-.") or "recipe"


def _former_names(labels: Sequence[str]) -> list[str]:
    """The file names that raycl 0.1.0 gave to labels; they had any length."""
    taken: dict[str, None] = {}
    for label in labels:
        plain = name = _readable(label)
        number = 2
        while name in taken:
            name, number = f"{plain}-{number}", number + 1
        taken[name] = None
    return list(taken)


def write_results(storage: Storage, sweep: str, outcomes: Sequence[RecipeOutcome]) -> pd.DataFrame:
    """Write the history of each recipe and the table of a sweep, as Parquet and as CSV.

    Returns the table.
    """
    table = results_table(outcomes)
    for outcome in outcomes:
        path = layout.sweep_history(sweep, file_name(outcome.label))
        write_parquet(storage, path, outcome.history)
    _remove_former(storage, sweep, [outcome.label for outcome in outcomes])
    storage.write_bytes(layout.sweep_results(sweep, "csv"), table.to_csv(index=False).encode())
    if any(outcome.setting for outcome in outcomes):
        _write_settings(storage, sweep, table)
    write_parquet(storage, layout.sweep_results(sweep, "parquet"), table)
    return table


def _write_settings(storage: Storage, sweep: str, table: pd.DataFrame) -> None:
    settings = settings_table(table)
    path = layout.sweep_settings(sweep, "csv")
    storage.write_bytes(path, settings.to_csv(index=False).encode())
    write_parquet(storage, layout.sweep_settings(sweep, "parquet"), settings)


def _remove_former(storage: Storage, sweep: str, labels: Sequence[str]) -> None:
    """Remove the histories of the same recipes that raycl 0.1.0 wrote under other names."""
    there = set(storage.list(layout.sweep_histories(sweep)))
    for name in set(_former_names(labels)).difference(map(file_name, labels)):
        path = layout.sweep_history(sweep, name)
        if path.rpartition("/")[2] in there:
            storage.remove(path)


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
