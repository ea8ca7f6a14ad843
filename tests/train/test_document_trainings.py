"""Trainings that keep documents apart: on any workers, cut in any way, resumed, and measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raycl.data.manifest import load_manifest
from raycl.data.shards import CorpusReader
from raycl.evaluation.losses import evaluate_state
from raycl.plan.training import Training
from raycl.storage import Storage
from raycl.train.checkpoint.load import load_history, load_model
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.model.language_model import LanguageModel
from raycl.train.start.fill import whole_model
from tests.helpers.document_runs import make_document_storage
from tests.helpers.model_types import configuration
from tests.helpers.stored_tensors import history
from tests.helpers.training_runs import LENGTH, make_batches, make_task, run
from tests.helpers.worker_processes import launch
from tests.train.test_partial import LORA, stored
from tests.train.test_within_documents import alone

WITHIN: dict[str, Any] = {"documents": "attend_within"}


def mean_alone(model: LanguageModel, rows: np.ndarray) -> float:
    """The mean loss over the documents of the rows, each computed by itself."""
    documents = alone(torch.from_numpy(rows.astype(np.int64)))
    with torch.no_grad():
        total = sum(float(model(document)) for document in documents)
    return total / sum(document.shape[1] - 1 for document in documents)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """One that holds the states of a training to step 2, with its validation."""
    made = make_document_storage(tmp_path_factory.mktemp("documents"))
    run(made, stop=2, **WITHIN)
    return made


def test_the_loss_of_a_step_is_the_mean_over_its_documents(storage: Storage) -> None:
    """The normaliser is the number of predicted tokens of the global batch, not of its places."""
    task = make_task(stop=1, **WITHIN)
    rows = next(make_batches(task, storage)(0))
    run(storage, stop=1, **WITHIN)
    line = history(storage, 1, **WITHIN)[-1]
    first = initial(task)
    assert line["loss"] == pytest.approx(mean_alone(first, rows), abs=1e-5)
    assert line["loss"] != pytest.approx(
        float(first(torch.from_numpy(rows.astype(np.int64)))) / 128
    )


def initial(task: Training) -> LanguageModel:
    return whole_model(task.model, LENGTH, task.seed)


def test_validation_follows_the_rule_of_the_training(storage: Storage) -> None:
    """`raycl evaluate` measures a state as its training did, to the bit."""
    name = make_task(**WITHIN).chain.name(2)
    state = read_state(storage, name)
    assert state.mark.validation is not None
    assert state.mark.validation.documents == "attend_within"
    last, model = load_history(storage, state)[-1], load_model(storage, state, LENGTH)
    assert evaluate_state(storage, name, ["new", "older"]) == {
        corpus: last[f"validation/{corpus}"] for corpus in ("new", "older")
    }
    for corpus in ("new", "older"):
        manifest = load_manifest(storage, f"corpora/{corpus}")
        rows = CorpusReader(storage, f"corpora/{corpus}", manifest, "validation").read(0, 5)
        assert last[f"validation/{corpus}"] == pytest.approx(mean_alone(model, rows), abs=1e-5)


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_accumulation_gives_the_same_weights(
    storage: Storage, tmp_path: Path, micro_batch: int
) -> None:
    other = make_document_storage(tmp_path)
    run(other, stop=2, micro_batch=micro_batch, **WITHIN)
    assert_same_losses(storage, other, 2, **WITHIN)


def assert_same_losses(one: Storage, other: Storage, step: int, **fields: Any) -> None:
    """Losses of all steps and validations, to rounding. Those of later steps show the gradients."""
    for expected, found in zip(
        history(one, step, **fields), history(other, step, **fields), strict=True
    ):
        for name, value in expected.items():
            if name == "loss" or name.startswith("validation/"):
                assert found[name] == pytest.approx(value, abs=1e-5), name


def test_it_resumes_to_the_same_bits(tmp_path: Path) -> None:
    whole, parts = (make_document_storage(tmp_path / part) for part in ("whole", "parts"))
    run(whole, **WITHIN)
    for stop in (1, 3, 6):
        run(parts, stop=stop, **WITHIN)
    expected, found = (stored(place, 6, **WITHIN) for place in (whole, parts))
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


CASES: dict[str, dict[str, Any]] = {
    "rows shared unevenly": {**WITHIN, "micro_batch": 1},
    "adapters": {
        **WITHIN,
        "config": configuration("llama"),
        "trains": (LORA, LORA),
        "reset": False,
    },
    "parts of matrices": {**WITHIN, "config": configuration("llama"), "layout": {"tensor": 2}},
    "weights of corpora": {**WITHIN, "loss_weights": (("older", 0.25),), "micro_batch": 1},
    "learned positions": {**WITHIN, "config": configuration("gpt2")},
}


@pytest.mark.slow
def test_two_workers_train_what_one_does(tmp_path: Path) -> None:
    one, two = (
        {name: make_document_storage(tmp_path / place / name) for name in CASES}
        for place in ("one", "two")
    )
    for name, fields in CASES.items():
        run(one[name], **{**fields, "layout": "auto"})  # one worker alone
    assert launch(2, [(two[name], dict(fields)) for name, fields in CASES.items()]) == [0, 0]
    for name, fields in CASES.items():
        assert_same_losses(one[name], two[name], 6, **fields)
