"""Weights of corpora in the loss: by hand, cut and shared in any way, and none at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raycl.plan.training import ModelSpec, Training
from raycl.storage import Storage
from raycl.train import loop
from raycl.train.loss_weights import row_weights
from raycl.train.micro_batches import cut, cut_alike
from raycl.train.model.documents import Borders
from raycl.train.model.language_model import LanguageModel, RowWeights
from raycl.train.parallel.gradients import accumulate_gradients
from raycl.train.parallel.world import World
from raycl.train.start.fill import whole_model
from tests.helpers.model_types import configuration
from tests.helpers.training_runs import make_batches, make_storage, make_task

LENGTH = 16
CPU = torch.device("cpu")
ALONE = World(0, 1, CPU)
KINDS = ("gpt_neox", "gptj", "gemma2", "bert")
"""A head without bias, one with bias, one with a soft cap, and one whose logits are made whole."""
WEIGHTS = torch.tensor([1.0, 0.3, 0.0, 2.0, 0.3])


def rows() -> torch.Tensor:
    return torch.randint(2, 60, (5, LENGTH + 1), generator=torch.Generator().manual_seed(0))


def of_step(
    model: LanguageModel, given: torch.Tensor, weights: torch.Tensor | None, micro_batch: int = 5
) -> dict[str, torch.Tensor]:
    """Loss and gradients of a step of these rows."""
    model.zero_grad()
    pieces = cut(given, micro_batch, len(given))
    own = None if weights is None else cut_alike(weights, pieces)
    total = model.predicted(given, weights).float()
    loss = accumulate_gradients(model, pieces, ALONE, total, own)
    found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss, **{name: gradient.clone() for name, gradient in found.items()}}


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("micro_batch", [5, 2, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_the_weighted_mean_of_its_rows(kind: str, micro_batch: int) -> None:
    """Σ w · mean of the row / Σ w, with each row by itself through the plain model."""
    model = whole_model(ModelSpec(configuration(kind)), LENGTH, 0)
    given = rows()
    found = of_step(model, given, WEIGHTS, micro_batch)
    alone = [of_step(model, row[None], None) for row in given]
    expected = {
        name: sum(float(w) * one[name] for w, one in zip(WEIGHTS, alone, strict=True))
        / float(WEIGHTS.sum())
        for name in alone[0]
    }
    assert_close(found, {name: torch.as_tensor(value) for name, value in expected.items()})


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_weight_is_as_if_it_were_not_there(kind: str) -> None:
    model = whole_model(ModelSpec(configuration(kind)), LENGTH, 0)
    weights = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
    found = of_step(model, rows(), weights)
    assert_close(found, of_step(model, rows()[::2], None))


def test_weights_count_tokens_within_documents_too() -> None:
    model = whole_model(ModelSpec(configuration("llama")), LENGTH, 0, borders=Borders(1))
    given = rows()
    given[1, [3, 9]] = 1
    assert int(model.predicted(given)) == 5 * LENGTH - 2
    assert float(model.predicted(given, WEIGHTS)) == pytest.approx(3.6 * LENGTH - 0.6)


def test_in_bfloat16_a_weight_is_not_rounded() -> None:
    """0.3 in bfloat16 is 0.30078: each gradient would be 0.26 % too large."""
    model = whole_model(ModelSpec(configuration("gptj")), LENGTH, 0)
    given = rows()[:1]
    with torch.autocast("cpu", torch.bfloat16):
        one = torch.autograd.grad(model(given), list(model.parameters()))
        weighed = model(given, RowWeights(torch.tensor([0.3])))
        found = torch.autograd.grad(weighed, list(model.parameters()))
    whole, small = (torch.cat([gradient.flatten() for gradient in part]) for part in (one, found))
    ratio = float((small @ whole) / (whole @ whole))
    assert ratio == pytest.approx(0.3, rel=1e-3)


def weighed(*weights: tuple[str, float], **fields: Any) -> Training:
    """A task with weights of corpora in both of its stages."""
    return make_task(loss_weights=weights, **fields)


def losses(storage: Storage, task: Training) -> list[dict[str, Any]]:
    reports: list[dict[str, Any]] = []
    loop.train(task, storage, make_batches(task, storage), reports.append)
    return reports


def test_rows_know_their_corpus_on_any_number_of_workers() -> None:
    task = weighed(("older", 0.25))
    everyone = row_weights(task.chain, 3, ALONE)
    assert everyone is not None
    runs, weights = task.chain.rows(3), {"older": 0.25, "new": 1.0}
    expected = [weights[run.corpus] for run in runs for _ in range(run.count)]
    assert everyone.tolist() == expected
    assert {0.25, 1.0} == set(expected)
    shares = [row_weights(task.chain, 3, World(rank, 3, CPU)) for rank in range(3)]
    assert torch.cat([share for share in shares if share is not None]).tolist() == expected
    assert row_weights(make_task().chain, 3, ALONE) is None


def test_the_loss_of_a_weighted_training_is_right(tmp_path: Path) -> None:
    """The first step, by hand: new rows alone where the older corpus has no weight."""
    storage = make_storage(tmp_path)
    task = weighed(("older", 0.0), stop=1)
    first = whole_model(task.model, LENGTH, task.seed)
    given = torch.from_numpy(next(make_batches(task, storage)(0)).astype(np.int64))
    new = sum(run.count for run in task.chain.rows(0) if run.corpus == "new")
    assert 0 < new < len(given)
    expected = float(first(given[:new]).detach()) / (new * LENGTH)
    assert losses(storage, task)[-1]["loss"] == pytest.approx(expected, abs=1e-5)


def test_a_step_without_any_weight_has_no_gradient(tmp_path: Path) -> None:
    task = weighed(("older", 0.0), ("new", 0.0), stop=1)
    last = losses(make_storage(tmp_path), task)[-1]
    assert last["loss"] == 0.0
    assert last["gradient_norm"] == 0.0


def test_names_of_steps_hold_weights_that_are_not_1() -> None:
    plain = make_task()
    assert weighed().chain.name(6) == plain.chain.name(6)
    names = {
        weighed(*weights).chain.name(step)
        for step in (1, 6)
        for weights in [(("older", 0.5),), (("older", 0.25),), (("new", 0.5),), ()]
    }
    assert len(names) == 8
    assert weighed(("older", 0.5)).chain.name(0) == plain.chain.name(0)
