"""Of a state's history those losses count that are on the wanted rows of the same corpus."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from raycl.results.validation_rows import ValidationRows, validated
from raycl.states.mark import CorpusOrigin, Metadata, StateMark, ValidationFacts
from tests.helpers.state_marks import state_mark

LINES = pd.DataFrame({"step": [-1, 0, 1], "validation/a": [9.0, math.nan, 4.0]})
A_64 = ValidationRows("a", "print", available=100, asked=64)


def mark(rows: int | None, fingerprint: str = "print") -> StateMark:
    origin = CorpusOrigin(folder="corpora/a", fingerprint=fingerprint)
    facts = None
    if rows is not None:
        facts = ValidationFacts(rows=rows, micro_batch=8, precision="float32")
    return state_mark("000000002-ab", metadata=Metadata(corpora={"a": origin}), validation=facts)


@pytest.mark.parametrize(
    ("trained", "kept", "rows"),
    [
        (mark(64), True, {"a": 64}),
        (mark(4), False, {"a": 64}),
        (mark(64, "other"), False, {"a": 64}),
        (mark(None), True, {}),  # an old mark does not say: taken as it is, its rows not known
    ],
)
def test_losses_stay_where_they_are_on_the_wanted_rows(
    trained: StateMark, kept: bool, rows: dict[str, int]
) -> None:
    found = validated(trained, LINES, [A_64], {})
    expected = LINES if kept else LINES.assign(**{"validation/a": math.nan})
    pd.testing.assert_frame_equal(found.lines, expected)
    assert found.rows == rows
    assert bool(found.other_rows) == (not kept)
    assert LINES["validation/a"][0] == 9.0  # the history itself is not changed


def test_all_rows_of_a_small_corpus_are_all_rows_however_many_are_asked() -> None:
    small = ValidationRows("a", "print", available=30, asked=64)
    assert validated(mark(500), LINES, [small], {}).lines.equals(LINES)
    assert small.key == ("a", "print", 30)


@pytest.mark.parametrize(
    ("stored", "loss"),
    [
        ({("a", "print", 64): 4.5}, 4.5),
        ({("a", "print", 63): 4.5}, math.nan),
        ({("a", "other", 64): 4.5}, math.nan),
        ({("b", "print", 64): 4.5}, math.nan),
    ],
)
def test_a_measured_loss_counts_on_the_very_rows_alone(
    stored: dict[Any, float], loss: float
) -> None:
    found = validated(mark(4), LINES, [A_64], stored)
    column = found.lines["validation/a"]
    assert column[:2].isna().all()
    assert column[2] == pytest.approx(loss, nan_ok=True)
    assert found.other_rows == ({"a": 4} if math.isnan(loss) else {})
    assert found.measured == (frozenset() if math.isnan(loss) else {"a"})


def test_a_corpus_that_the_recipe_does_not_list_is_left_out() -> None:
    lines = LINES.assign(**{"validation/gone": 1.0})
    assert validated(mark(64), lines, [A_64], {}).lines.equals(LINES)
