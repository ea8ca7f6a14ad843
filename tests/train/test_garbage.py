"""The collector is off in steps, and a finished node leaves nothing behind."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from raycl.storage import Storage
from raycl.train.trainer import Trainer
from tests.helpers.training_runs import make_storage, run


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return make_storage(tmp_path / "storage")


def test_no_collection_falls_into_a_step(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    train_step = Trainer.train_step

    def step(self: Trainer, stream: Any) -> None:
        seen.append(gc.isenabled())
        train_step(self, stream)

    monkeypatch.setattr(Trainer, "train_step", step)
    gc.collect()
    frozen = gc.get_freeze_count()  # Python 3.12's collector freezes immortal objects itself
    run(storage)
    assert seen == [False] * 6
    assert gc.isenabled()
    gc.collect()
    assert gc.get_freeze_count() == frozen


def test_it_is_on_again_after_an_error(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Trainer, stream: Any) -> None:
        raise ArithmeticError(str(stream))

    monkeypatch.setattr(Trainer, "train_step", fail)
    with pytest.raises(ArithmeticError):
        run(storage)
    assert gc.isenabled()


@pytest.mark.parametrize(
    "fields",
    [{}, {"save_every": 2}, pytest.param({"compile": True}, marks=pytest.mark.slow)],
)
def test_a_finished_node_is_gone(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    """Model, weights, optimizer and compiled blocks: the next node needs their memory."""
    left: list[weakref.ref[Any]] = []
    validate = Trainer.validate

    def noting(self: Trainer) -> None:
        validate(self)
        if not left:
            parts = [self, self.model, self._optimizer, *self.model.parameters()]
            left.extend(weakref.ref(part) for part in parts)

    monkeypatch.setattr(Trainer, "validate", noting)
    run(storage, **fields)
    assert len(left) > 10
    assert [part() for part in left if part() is not None] == []


def test_memory_does_not_grow_from_node_to_node(storage: Storage) -> None:
    """Five nodes in one process hold no more tensors than one did."""

    def held() -> int:
        return sum(issubclass(type(found), torch.Tensor) for found in gc.get_objects())

    run(storage, stop=1)
    before = held()
    for stop in range(2, 7):
        run(storage, stop=stop)
    assert held() <= before
