"""From the outcomes of a sweep to one tidy table, and its files; docs/metrics.md defines it."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence

import pandas as pd

from raycl.errors import InputError
from raycl.results.metrics import (
    Spike,
    adaptation,
    average_loss,
    backward_transfer,
    final_bits_per_byte,
    final_loss,
    forgetting,
    forgetting_from_best,
    forward_transfer,
    replayed_rows,
    rows_read,
    spike,
    tokens_to_reach,
)
from raycl.results.outcome import ROWS, RecipeOutcome, corpora_of
from raycl.storage import Storage

_LOSSES: dict[str, Callable[[RecipeOutcome, str], float]] = {
    "loss": final_loss,
    "bits_per_byte": final_bits_per_byte,
}
_CHANGES: dict[str, Callable[[RecipeOutcome, str], float]] = {
    "forgetting": forgetting,
    "forgetting_from_best": forgetting_from_best,
    "adaptation": adaptation,
}


def _last_spike(outcome: RecipeOutcome, corpus: str) -> Spike:
    return spike(outcome, outcome.stages[-1], corpus) if outcome.stages else Spike()


def _measures(outcome: RecipeOutcome, corpora: Sequence[str]) -> dict[str, float]:
    def each(
        measures: dict[str, Callable[[RecipeOutcome, str], float]],
    ) -> dict[str, float]:
        return {
            f"{name}/{corpus}": measure(outcome, corpus)
            for name, measure in measures.items()
            for corpus in corpora
        }

    spikes = {corpus: _last_spike(outcome, corpus) for corpus in corpora}
    return {
        **each(_LOSSES),
        "average": average_loss(outcome, corpora),
        **each(_CHANGES),
        "backward_transfer": backward_transfer(outcome),
        "forward_transfer": forward_transfer(outcome),
        **{f"spike/{corpus}": found.height for corpus, found in spikes.items()},
        **{f"recovery_tokens/{corpus}": found.recovery_tokens for corpus, found in spikes.items()},
        **{f"task/{task}": score for task, score in outcome.tasks.items()},
    }


def _against_union(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> pd.DataFrame:
    averages = pd.Series([average_loss(outcome, corpora) for outcome in outcomes], dtype="float64")
    unions = [outcome.kind == "union" for outcome in outcomes]
    # Where several unions were trained, the best one is the reference to be measured against.
    reference = float(averages[unions].min()) if any(unions) else math.nan
    reached = [
        math.nan if o.is_baseline else tokens_to_reach(o, reference, corpora).last_stage
        for o in outcomes
    ]
    return pd.DataFrame({"gap_to_union": averages - reference, "tokens_to_union": reached})


def _rows(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> pd.DataFrame:
    """Rows read of each corpus: none of it is 0, nothing known of the recipe is NaN."""
    read = [rows_read(outcome) for outcome in outcomes]
    names = [*corpora, *sorted({name for rows in read for name in rows}.difference(corpora))]
    return pd.DataFrame(
        [
            {ROWS + name: float(rows.get(name, 0)) if rows else math.nan for name in names}
            for rows in read
        ]
    )


def _effort(outcome: RecipeOutcome) -> dict[str, object]:
    history = outcome.history
    stages = [replayed_rows(outcome, stage) for stage in outcome.stages]
    known = any(all_rows for _, all_rows in stages)
    last_old, last_all = stages[-1] if stages else (0, 0)
    return {
        "tokens": outcome.steps * outcome.tokens_per_step,
        "rows_replayed": float(sum(old for old, _ in stages)) if known else math.nan,
        # Of the last stage alone: that is the share which a sweep sets.
        "realised_replay": last_old / last_all if last_all else math.nan,
        "seconds": float(history["seconds"].sum()) if "seconds" in history else math.nan,
        "state": outcome.state,
        "status": outcome.status,
    }


def _one_type(values: list[object]) -> list[object]:
    """Swept values as one Parquet column holds them: all numbers, or all text."""
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
    parts = [
        pd.DataFrame([_measures(outcome, corpora) for outcome in outcomes]),
        _against_union(outcomes, corpora),
        _rows(outcomes, corpora),
    ]
    measures = pd.concat(parts, axis=1)
    missing = [name for name in measures if not _stays(str(name)) and measures[name].isna().all()]
    efforts = pd.DataFrame([_effort(outcome) for outcome in outcomes])
    return pd.concat([pd.DataFrame(columns), measures.drop(columns=missing), efforts], axis=1)


def _stays(column: str) -> bool:
    """Columns that a table always has: what has not been reached yet is seen to be missing."""
    return column.startswith("loss/") or column in ("average", "gap_to_union")


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


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def write_results(storage: Storage, folder: str, outcomes: Sequence[RecipeOutcome]) -> pd.DataFrame:
    """Write history/<recipe>.parquet, results.csv and results.parquet; returns the table."""
    table = results_table(outcomes)
    for slug, outcome in zip(slugs([o.label for o in outcomes]), outcomes, strict=True):
        storage.write_bytes(f"{folder}/history/{slug}.parquet", _parquet(outcome.history))
    storage.write_bytes(f"{folder}/results.csv", table.to_csv(index=False).encode())
    storage.write_bytes(f"{folder}/results.parquet", _parquet(table))
    return table


def read_results(storage: Storage, folder: str) -> pd.DataFrame:
    """The table that `write_results` left. InputError where there is none."""
    path = f"{folder}/results.parquet"
    if not storage.exists(path):
        raise InputError(
            storage.full_path(path), "there are no results yet", "Run the sweep first, or wait"
        )
    return pd.read_parquet(io.BytesIO(storage.read_bytes(path)))
