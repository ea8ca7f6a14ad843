"""Losses by document in the results: of which rows they are, and what they say of differences."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raycl.evaluation.losses import evaluate_state
from raycl.recipe.definition import Definition
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.notes import notes
from raycl.results.row_losses import average_difference, document_difference
from raycl.results.table import results_table
from raycl.results.uncertainty.bootstrap import DocumentSums, standard_error
from raycl.storage import Storage, layout
from tests.helpers.outcomes import replayed
from tests.helpers.trained_recipes import outcomes_of, trained_recipe
from tests.helpers.training_runs import make_storage


def recipe(storage: Storage) -> Definition:
    return trained_recipe(
        storage, sweep={"new.schedule.max_lr": [1e-3, 2e-3]}, validation={"rows": 4}
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    recipe(make_storage(folder))
    return folder


@pytest.fixture
def storage(trained: Path, tmp_path: Path) -> Storage:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return Storage(tmp_path)


def test_final_losses_have_a_standard_error(storage: Storage) -> None:
    outcomes = outcomes_of(recipe(storage), storage)
    table = results_table(outcomes)
    for corpus in ("older", "new"):
        for outcome, loss in zip(outcomes, table[f"loss/{corpus}"], strict=True):
            assert outcome.row_losses[corpus].loss == pytest.approx(loss, abs=1e-6)
        assert table[f"validation_documents/{corpus}"].tolist() == [4, 4]
        assert (table[f"standard_error/{corpus}"] > 0).all()
    first, second = outcomes
    gap = document_difference(first, second, "new")
    assert gap.mean == pytest.approx(table["loss/new"][0] - table["loss/new"][1], abs=1e-6)
    assert gap.low < gap.mean < gap.high
    assert document_difference(first, second, "older").is_known
    (note,) = (text for text in notes(outcomes) if text.startswith("Standard errors"))
    error = table["standard_error/older"][0]
    assert f"older ± {error:.3f} on 4 documents, ± " in note
    assert "Fewer than 30 documents (older, new) say little" in note
    average = average_difference(first, second, {"older": 0.5, "new": 0.5})
    assert average.mean == pytest.approx(table["average"][0] - table["average"][1], abs=1e-6)


def test_they_are_of_the_rows_that_the_table_is_about(storage: Storage) -> None:
    """Losses on more rows take the place of those of the training, once all recipes have them."""
    for outcome in outcomes_of(recipe(storage), storage):
        evaluate_state(storage, outcome.state, ["new"], rows=5)
    outcomes = outcomes_of(recipe(storage), storage)
    table = results_table(outcomes)
    assert table["validation_rows/new"].tolist() == [5, 5]
    assert table["validation_documents/new"].tolist() == [5, 5]
    assert table["validation_documents/older"].tolist() == [4, 4]
    for outcome, loss in zip(outcomes, table["loss/new"], strict=True):
        assert outcome.row_losses["new"].loss == pytest.approx(loss, abs=1e-6)


def test_a_damaged_file_is_a_note_and_costs_no_number(storage: Storage) -> None:
    before = results_table(outcomes_of(recipe(storage), storage))
    state = before["state"][0]
    storage.write_bytes(layout.state_rows(state), b"PAR1")
    table = results_table(outcomes_of(recipe(storage), storage))
    assert table["loss/new"].tolist() == before["loss/new"].tolist()
    assert math.isnan(table["standard_error/new"][0])
    assert "does not match its checksum" in table["note"][0]
    assert not table["note"][1]


def outcome(label: str, corpora: dict[str, DocumentSums]) -> RecipeOutcome:
    return replace(replayed(label), row_losses=corpora)


def test_what_is_on_other_documents_is_not_compared() -> None:
    sums = DocumentSums(np.array([3.0, 4.0, 5.0]), np.array([1.0, 1.0, 2.0]))
    other = DocumentSums(sums.nats, np.array([1.0, 2.0, 1.0]))
    one, two = outcome("one", {"english": sums}), outcome("two", {"english": other})
    assert not document_difference(one, two, "english").is_known
    assert not document_difference(one, replayed(), "english").is_known
    assert not average_difference(one, two, {"english": 1.0}).is_known
    assert not average_difference(one, one, {"english": 0.5, "german": 0.5}).is_known
    assert average_difference(one, one, {"english": 1.0, "german": 0.0}).mean == 0
    table = results_table([one, replayed()])
    assert table["standard_error/english"][0] == pytest.approx(standard_error(sums))
    assert math.isnan(table["standard_error/english"][1])
