"""A finished node is extended and branched later: nothing that exists is trained again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from raycl.plan.anneal import Annealed
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.execution import Execution
from raycl.plan.mixture import Mixture, Source
from raycl.plan.schedule import BaseSchedule, Constant, Infinite
from raycl.plan.training import Training
from raycl.storage import Storage
from raycl.train.loop import train
from raycl.units import parse_length
from tests.helpers.training_runs import BATCH, LENGTH, make_batches, make_storage, make_task

TRUNK = Infinite(
    max_lr=1e-2,
    constant_lr=5e-3,
    min_lr=1e-3,
    warmup=parse_length("1 steps"),
    cooldown=parse_length("3 steps"),
)


def task_of(schedule: BaseSchedule | Annealed, steps: int) -> Training:
    mixture = Mixture((Source("new", Fraction(1), limit=200),), BATCH, Fraction(0))
    stage = ChainStage("one", steps, schedule, mixture)
    chain = Chain({"seed": 1}, [stage], {"new": "0" * 16, "older": "1" * 16}, LENGTH)
    return replace(make_task(), chain=chain, start=0, stop=steps)


def trained(storage: Storage, task: Training) -> int:
    """Optimizer steps that training the task took."""
    reports: list[dict[str, Any]] = []
    train(task, storage, make_batches(task, storage), reports.append)
    return int(reports[-1]["optimizer_steps"]) if reports else 0


def weights(storage: Storage, task: Training) -> dict[str, torch.Tensor]:
    assert storage.local_root is not None
    folder = storage.local_root / "states" / task.chain.name(task.stop)
    return {k: v for file in folder.glob("*.safetensors") for k, v in load_file(file).items()}


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(task_of(TRUNK, 10), id="a longer trunk"),
        pytest.param(task_of(Annealed(TRUNK, 6, 6, 4, 1e-3, "exponential"), 10), id="an anneal"),
    ],
)
def test_what_exists_is_not_trained_again(tmp_path: Path, later: Training) -> None:
    storage, alone = make_storage(tmp_path / "storage"), make_storage(tmp_path / "alone")
    assert trained(storage, task_of(TRUNK, 6)) == 6
    assert trained(storage, later) == 4
    assert trained(storage, later) == 0
    assert trained(alone, later) == 10
    branched, undisturbed = weights(storage, later), weights(alone, later)
    assert branched.keys() == undisturbed.keys()
    # With AdamW's moments carried over, to the bit.
    assert all(torch.equal(branched[name], undisturbed[name]) for name in branched)


def test_states_that_stay_can_be_branched_from(tmp_path: Path) -> None:
    storage = make_storage(tmp_path / "storage")
    trunk = replace(task_of(TRUNK, 9), execution=Execution(keep_every=3, save_every=1, keep_last=1))
    assert trained(storage, trunk) == 9
    kept = [trunk.chain.name(step) for step in (3, 6, 9)]
    assert sorted(storage.list("states")) == kept
    branch = task_of(Annealed(TRUNK, 9, 6, 2, 1e-3, "linear"), 8)
    assert trained(storage, branch) == 2


def test_a_constant_schedule_at_three_lengths(tmp_path: Path) -> None:
    storage, constant = make_storage(tmp_path / "storage"), Constant(max_lr=1e-2)
    assert [trained(storage, task_of(constant, steps)) for steps in (3, 5, 9)] == [3, 2, 4]
