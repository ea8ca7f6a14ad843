"""Rows of a forward pass, chosen by memory, and what happens where they do not fit after all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from raycl.cluster.memory import machine_memory
from raycl.errors import InputError
from raycl.plan.layout import Layout
from raycl.plan.memory import Computation
from raycl.plan.planned_memory import written_by
from raycl.plan.presets import PRESETS
from raycl.plan.process_memory import worker_memory
from raycl.plan.training import ModelSpec
from raycl.states.mark import read_mark
from raycl.train import micro_batch
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.world import World
from tests.helpers.stored_tensors import tensors
from tests.helpers.training_runs import make_storage, make_task, run

WORLD = World(0, 1, torch.device("cpu"))


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Gives the device room for so many rows at a time, and an error above them."""

    def give(most: int) -> None:
        forward = LanguageModel.forward

        def limited(self: LanguageModel, rows: torch.Tensor) -> torch.Tensor:
            if torch.is_grad_enabled() and len(rows) > most:
                raise torch.OutOfMemoryError("out of memory: tried to allocate 2 GiB\n in detail")
            return forward(self, rows)

        monkeypatch.setattr(LanguageModel, "forward", limited)

    return give


def test_out_of_memory_the_step_is_repeated_with_half(
    tmp_path: Path, memory: Callable[[int], None]
) -> None:
    whole, halved = (make_storage(tmp_path / name) for name in ("whole", "halved"))
    run(halved, micro_batch=4)
    memory(4)
    run(whole)
    expected = tensors(halved, 6)
    assert all(torch.equal(value, expected[name]) for name, value in tensors(whole, 6).items())
    mark = read_mark(whole, make_task(stop=6).chain.name(6))
    assert mark.validation is not None
    assert mark.validation.micro_batch == 4


@pytest.mark.parametrize("fields", [{}, {"micro_batch": 8}])
def test_a_step_is_halved_once_and_never_where_the_recipe_says(
    tmp_path: Path, memory: Callable[[int], None], fields: dict[str, Any]
) -> None:
    memory(3 if not fields else 4)
    with pytest.raises(InputError, match=r"out of memory.*Set execution.micro_batch: [24]"):
        run(make_storage(tmp_path), **fields)


def test_all_rows_are_taken_where_they_fit() -> None:
    chosen = micro_batch.choose_micro_batch(make_task(), 8, WORLD, torch.float32, None)
    assert chosen.rows == 8


def test_fewer_rows_are_taken_where_all_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(activation_checkpointing="none")
    facts = micro_batch.facts_of(task.model, task.sequence_length)
    assert facts is not None
    written = written_by(task, "cpu")
    needs = [worker_memory(facts, Layout(), Computation(8, n, **written)).total for n in (3, 4)]
    monkeypatch.setattr(micro_batch, "room_of", lambda _: (needs[0] + needs[1]) / 2)
    assert micro_batch.choose_micro_batch(task, 8, WORLD, torch.float32, None).rows == 3
    monkeypatch.setattr(micro_batch, "room_of", lambda _: 0.0)
    assert micro_batch.choose_micro_batch(task, 8, WORLD, torch.float32, None).rows == 1


def test_a_resumed_training_takes_the_rows_of_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = make_storage(tmp_path)
    run(storage, stop=4, micro_batch=2)
    mark = read_mark(storage, make_task(stop=4).chain.name(4))
    chosen = micro_batch.choose_micro_batch(make_task(), 8, WORLD, torch.float32, mark)
    assert chosen.rows == 2
    others = mark.model_copy(update={"world_size": 2})
    assert micro_batch.choose_micro_batch(make_task(), 8, WORLD, torch.float32, others).rows == 8
    monkeypatch.setattr(micro_batch, "room_of", lambda _: 0.0)
    assert micro_batch.choose_micro_batch(make_task(), 8, WORLD, torch.float32, mark).rows == 1


def test_the_memory_of_a_worker_is_its_part_of_the_machine() -> None:
    room = micro_batch.room_of(torch.device("cpu"))
    assert 2**26 < room <= machine_memory()


def test_a_model_without_a_configuration_is_not_counted() -> None:
    assert micro_batch.facts_of(ModelSpec(pretrained="gpt2"), 16) is None
    odd = {**PRESETS["gpt-neox-tiny"], "vocab_size": 64, "hidden_act": "relu"}
    assert micro_batch.facts_of(ModelSpec(odd), 16) is not None
