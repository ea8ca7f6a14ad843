"""Outcomes of a recipe of four steps, small enough to compute every number by hand."""

from __future__ import annotations

import math

import pandas as pd

from raycl.results.outcome import RecipeOutcome, StageFact

NAN = math.nan
ENGLISH = StageFact("english", 0, 2, 2000, ("english",), 0.0, 3e-3)
GERMAN = StageFact("german", 2, 4, 2000, ("german",), 0.25, 3e-3)


def history(english: list[float], german: list[float], **columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "step": range(-1, len(english) - 1),
            "seconds": [NAN] + [2.0] * (len(english) - 1),
            "validation/english": english,
            "validation/german": german,
            **columns,
        }
    )


def replayed(label: str = "replay 25%", **changes: object) -> RecipeOutcome:
    rows: dict[str, list[float]] = {
        "rows/english": [NAN, 4, 4, 1, 1],
        "rows/german": [NAN, 0, 0, 3, 3],
    }
    given = {
        "label": label,
        "kind": "sweep",
        "fields": {"german.replay": "25%"},
        "stages": (ENGLISH, GERMAN),
        "history": history([9.0, NAN, 4.0, 3.9, 4.5], [9.0, NAN, 7.0, NAN, 5.0], **rows),
        "tokens_per_step": 1000,
        "bytes_per_token": {"english": 4.0, "german": 5.0},
        "state": "000000004-abc",
        "status": "finished",
    }
    return RecipeOutcome(**(given | changes))  # type: ignore[arg-type]


def union() -> RecipeOutcome:
    stage = StageFact("union", 0, 4, 4000, ("english", "german"))
    curves = history([9.0, NAN, NAN, NAN, 4.2], [9.0, NAN, NAN, NAN, 5.2])
    return replayed("union", kind="union", fields={}, stages=(stage,), history=curves)
