"""How many rows are validated where a recipe leaves it open: fixed before anything is trained."""

from __future__ import annotations

import pytest

from raycl.errors import InputError
from raycl.plan.validation import Validation, rows_for
from raycl.recipe.definition import definition_of, trainings
from raycl.recipe.resolution import Resolution
from raycl.recipe.validation_rows import validation_text
from tests.helpers.recipe_data import defined, facts, recipe_data


def test_a_smaller_error_takes_more_rows_by_its_square() -> None:
    assert [rows_for(error, 128) for error in (0.01, 0.005, 0.02)] == [256, 1024, 64]
    assert rows_for(0.0025, 512) == rows_for(0.0025, 128) / 4
    assert rows_for(10, 128) == 64
    assert [rows_for(error, 128) for error in (1e-6, 1e-300, 5e-324)] == [4096] * 3
    numbers = {rows_for(0.01, length) for length in range(1500, 1800)}
    assert len(numbers) == 1


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({"rows": 5}, 5),
        ({"rows": 64, "every": 1}, 64),
        ({"total_rows": 9}, 4),
        ({"standard_error": 0.02, "every": 1}, rows_for(0.02, 128)),
        ({}, rows_for(0.01, 128)),
        ({"every": 1}, 64),  # it would take far more time than the training
        ({"every": 300}, 128),  # 2 corpora of 128 rows / 3 are at most a tenth of 1,200 rows
    ],
)
def test_rows_of_each_corpus(given: dict[str, float], rows: int) -> None:
    assert Validation(**given).of_each(2, 128, 4).rows == rows  # type: ignore[arg-type]


def test_two_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="both rows and standard_error are given"):
        defined(validation={"rows": 4, "standard_error": 0.01})


def test_all_recipes_of_a_sweep_have_one_number() -> None:
    """Though each by itself would take another: their batches differ."""
    grid = {"global_batch": [8, 4096]}
    definition = definition_of(recipe_data(validation={"every": 20}, sweep=grid), "here")
    made = trainings(definition, facts({"old": 10**6, "new": 10**6}), Resolution())
    assert len(made) == 2
    (rows,) = {training.validation.rows for training in made.values()}
    assert rows == definition.recipe.counted_validation.rows


def test_a_plan_says_how_many_and_why() -> None:
    corpora = facts({"old": 1000, "new": 1000})
    assert not validation_text(defined(validation={"rows": 4}).recipe, corpora)
    text = validation_text(defined(validation={"standard_error": 0.05}).recipe, corpora)
    rows = rows_for(0.05, 16)
    # 0.16 · √(128 / 16 / 64), as only 64 are there
    assert "On 64 rows a difference between two recipes has a standard error of about 0.06" in text
    assert f"{rows} rows of each corpus" in text
    assert ("old has 64" in text) == (rows > 64)
