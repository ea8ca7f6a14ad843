"""The training loop: resume, hand-off, several workers, accumulation, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from signal import SIGKILL
from typing import Any

import numpy as np
import pytest
import torch

from raycl.errors import InputError
from raycl.plan.optimizer import Optimizer
from raycl.storage import Storage
from raycl.train.loop import train
from tests.helpers.stored_tensors import difference, history, state_folder, tensors
from tests.helpers.training_runs import (
    BATCH,
    FIRST_STAGE,
    LENGTH,
    VOCABULARY,
    make_batches,
    make_storage,
    make_task,
    run,
)
from tests.helpers.worker_processes import launch


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return make_storage(tmp_path / "storage")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """Six steps by one process, without intermediate states."""
    storage = make_storage(tmp_path_factory.mktemp("undisturbed"))
    run(storage)
    return storage


def assert_close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Equal up to rounding: first moments to 1e-7, and 99.5 % of the weights to 1e-6.

    Moments are linear in the gradients (measured: 3e-9 apart, of 8e-3). Weights are not: AdamW
    turns a gradient of zero, such as that of every key's bias, into steps of random sign
    (measured: 48 of 29,568 weights differ by more than 1e-6).
    """
    assert one.keys() == other.keys()
    gaps = {name: (one[name] - other[name]).abs().flatten() for name in one}
    moments = torch.cat(
        [gap for name, gap in gaps.items() if name.startswith("optimizer.exp_avg.")]
    )
    weights = torch.cat([gap for name, gap in gaps.items() if name.startswith("model.")])
    assert float(moments.max()) < 1e-7
    assert float((weights > 1e-6).float().mean()) < 0.005


def test_finished_node_trains_nothing(undisturbed: Storage) -> None:
    before = (state_folder(undisturbed, 6) / "state.json").read_bytes()

    def batches(_: int) -> Any:
        raise AssertionError("rows were asked for")

    reports: list[dict[str, Any]] = []
    train(make_task(), undisturbed, batches, reports.append)
    assert all(report["optimizer_steps"] == 0 for report in reports)
    assert (state_folder(undisturbed, 6) / "state.json").read_bytes() == before


def test_resumed_twice_bit_identical(storage: Storage, undisturbed: Storage) -> None:
    for stop in (1, 3):
        run(storage, stop=stop)
    reports = run(storage, start=3)
    assert reports[-1]["optimizer_steps"] == 3
    assert difference(tensors(storage, 6), tensors(undisturbed, 6)) == 0


class Stopped(Exception):
    """Raised in place of a batch, as an interruption."""


def interrupted(storage: Storage, at: int, **fields: Any) -> None:
    """Train with a state every two steps until the rows of step `at` are asked for."""
    task = make_task(save_every=2, **fields)

    def batches(first: int) -> Any:
        for step, rows in enumerate(make_batches(task, storage)(first), first):
            if step == at:
                raise Stopped
            yield rows

    with pytest.raises(Stopped):
        train(task, storage, batches, lambda _: None)


def test_history_is_complete_after_interruptions(storage: Storage, undisturbed: Storage) -> None:
    interrupted(storage, at=3, validation_every=2, steps=12, stop=11)
    interrupted(storage, at=9, validation_every=2, steps=12, stop=11)
    run(storage, save_every=2, validation_every=2, steps=12, stop=11)
    lines = history(storage, 11, steps=12)
    assert [line["step"] for line in lines] == [-1, *range(11)]
    validated = [line["step"] for line in lines if line["validation/new"] is not None]
    assert validated == [-1, 1, 3, 5, 7, 9, 10]
    assert all(line["rows/new"] == 6 and line["rows/older"] == 2 for line in lines[1:])
    assert all(np.isfinite(line["loss"]) and line["seconds"] > 0 for line in lines[1:])
    straight = history(undisturbed, 6)
    assert [line["loss"] for line in lines[1:7]] == [line["loss"] for line in straight[1:]]
    mark = json.loads((state_folder(storage, 11, steps=12) / "state.json").read_text())
    assert mark["previous"] is None
    assert mark["tokens"] == 11 * BATCH * LENGTH


def test_one_history_holds_losses_on_the_same_rows(storage: Storage) -> None:
    # The state after step 2 is no node's end: its lines become the beginning of the node's own.
    interrupted(storage, at=5, validation_every=1, validation_rows=4)
    run(storage, save_every=2, validation_every=1, validation_rows=2)
    lines = history(storage, 6)
    assert [line["step"] for line in lines] == [-1, *range(6)]
    validated = [line["step"] for line in lines if line["validation/new"] is not None]
    assert validated in ([2, 3, 4, 5], [4, 5])  # the state it resumed from is written meanwhile
    assert all(np.isfinite(line["loss"]) for line in lines[1:])


def test_a_node_begins_its_own_history(storage: Storage) -> None:
    run(storage, stop=3)
    run(storage, start=3)
    assert [line["step"] for line in history(storage, 6)] == [3, 4, 5]
    mark = json.loads((state_folder(storage, 6) / "state.json").read_text())
    assert mark["previous"] == make_task().chain.name(3)


def test_hand_off_resets_the_optimizer_and_takes_the_new_rate(storage: Storage) -> None:
    run(storage, stop=FIRST_STAGE)
    run(storage, start=FIRST_STAGE, stop=FIRST_STAGE + 1)
    weights, moved = tensors(storage, FIRST_STAGE), tensors(storage, FIRST_STAGE + 1)
    name = "model.gpt_neox.layers.0.attention.dense.bias"
    # The first AdamW step after a reset moves every weight by the rate, in its gradient's direction
    change = (moved[name] - weights[name]).abs()
    assert float(change.median()) == pytest.approx(3e-3, rel=1e-3)
    assert history(storage, FIRST_STAGE + 1)[0]["learning_rate"] == 3e-3
    mark = json.loads((state_folder(storage, FIRST_STAGE + 1) / "state.json").read_text())
    assert mark["optimizer_steps"] == 1


def test_hand_off_inside_a_node_equals_one_between_nodes(
    storage: Storage, undisturbed: Storage
) -> None:
    run(storage, stop=FIRST_STAGE)
    run(storage, start=FIRST_STAGE)
    assert difference(tensors(storage, 6), tensors(undisturbed, 6)) == 0


def test_carried_optimizer_counts_on(storage: Storage) -> None:
    run(storage, stop=FIRST_STAGE, reset=False)
    run(storage, start=FIRST_STAGE, reset=False)
    folder = state_folder(storage, 6, reset=False)
    assert json.loads((folder / "state.json").read_text())["optimizer_steps"] == 6


@pytest.mark.parametrize("micro_batch", [2, 3])
def test_accumulation_equals_the_full_batch(
    storage: Storage, undisturbed: Storage, micro_batch: int
) -> None:
    run(storage, micro_batch=micro_batch)
    assert_close(tensors(undisturbed, 6), tensors(storage, 6))
    losses = zip(history(storage, 6)[1:], history(undisturbed, 6)[1:], strict=True)
    assert all(abs(one["loss"] - other["loss"]) < 1e-6 for one, other in losses)


@pytest.mark.parametrize("kind", [True, "full", "selective"])
def test_activation_checkpointing_changes_no_bit(
    storage: Storage, undisturbed: Storage, kind: str | bool
) -> None:
    run(storage, activation_checkpointing=kind)
    assert difference(tensors(storage, 6), tensors(undisturbed, 6)) == 0


def test_bfloat16_trains_with_float32_weights(storage: Storage, undisturbed: Storage) -> None:
    run(storage, precision="bfloat16")
    assert all(tensor.dtype == torch.float32 for tensor in tensors(storage, 6).values())
    half, full = history(storage, 6)[-1]["loss"], history(undisturbed, 6)[-1]["loss"]
    assert half == pytest.approx(full, rel=2e-2)


@pytest.mark.slow
def test_several_workers(tmp_path: Path, undisturbed: Storage) -> None:
    """Two ranks equal one; they resume their states bit for bit, and one rank resumes them."""
    straight, resumed, shrunk, often = (make_storage(tmp_path / name) for name in "abcd")
    jobs = [
        (straight, {}),
        *((resumed, {"stop": stop}) for stop in (2, 3, 6)),
        (shrunk, {"stop": 3}),
        (often, {"micro_batch": 2, "save_every": 2, "validation_every": 1}),
        (often, {"start": 6, "stop": 8, "activation_checkpointing": True}),
    ]
    assert launch(2, jobs) == [0, 0]
    assert len(list(state_folder(straight, 6).glob("*.safetensors"))) == 2
    assert difference(tensors(straight, 6), tensors(resumed, 6)) == 0
    run(shrunk, start=3)
    for storage in (straight, shrunk, often):
        assert_close(tensors(undisturbed, 6), tensors(storage, 6))
    for storage in (straight, often):
        losses = zip(history(storage, 6)[1:], history(undisturbed, 6)[1:], strict=True)
        assert all(abs(one["loss"] - other["loss"]) < 1e-6 for one, other in losses)
    last, expected = history(often, 6)[-1], history(undisturbed, 6)[-1]
    for corpus in ("validation/new", "validation/older"):
        assert last[corpus] == pytest.approx(expected[corpus], abs=1e-6)


@pytest.mark.slow
def test_workers_that_do_not_divide_the_batch(tmp_path: Path, undisturbed: Storage) -> None:
    """Three ranks with two, three and three rows equal one, and take over from one rank's state."""
    straight, grown = (make_storage(tmp_path / name) for name in "ab")
    run(grown, stop=3)
    assert launch(3, [(straight, {"micro_batch": 2}), (grown, {"start": 3})]) == [0, 0, 0]
    for storage in (straight, grown):
        assert_close(tensors(undisturbed, 6), tensors(storage, 6))
    last, expected = history(straight, 6)[-1], history(undisturbed, 6)[-1]
    for name in ("loss", "validation/new", "validation/older"):
        assert last[name] == pytest.approx(expected[name], abs=1e-6)


@pytest.mark.parametrize("statuses", [[-SIGKILL], [-SIGKILL, 1]])
def test_killed_while_saving(tmp_path: Path, undisturbed: Storage, statuses: list[int]) -> None:
    """SIGKILL with all tensors written and no mark: nothing counts, and a rerun is identical.

    The first rank writes the mark; a second one ends by itself, since its peer is gone.
    """
    storage, world = make_storage(tmp_path / "storage"), len(statuses)
    assert launch(world, [(storage, {"save_every": 2})], DIE_BEFORE_COMMIT="4") == statuses
    assert state_folder(storage, 4).exists()
    assert not (state_folder(storage, 4) / "state.json").exists()
    assert run(storage, save_every=2)[-1]["optimizer_steps"] == 4
    assert_close(tensors(undisturbed, 6), tensors(storage, 6))
    if world == 1:
        assert difference(tensors(undisturbed, 6), tensors(storage, 6)) == 0


def _whatever_the_step(stream: Iterator[np.ndarray], _: int) -> Iterator[np.ndarray]:
    return stream


def test_refuses_rows_that_do_not_fit(storage: Storage) -> None:
    wrong_shape = np.zeros((BATCH, LENGTH), dtype=np.uint16)
    too_large = np.full((BATCH, LENGTH + 1), VOCABULARY, dtype=np.uint16)
    for rows, word in ((wrong_shape, "shape"), (too_large, str(VOCABULARY))):
        stream = iter([rows])
        with pytest.raises((InputError, ValueError), match=word) as caught:
            train(make_task(), storage, partial(_whatever_the_step, stream), lambda _: None)
        assert "step 0" in str(caught.value)


def test_rows_that_end_early_name_the_step(storage: Storage) -> None:
    task = make_task()

    def batches(first: int) -> Any:
        return iter(list(make_batches(task, storage)(first))[:2])

    with pytest.raises(RuntimeError, match="step 2"):
        train(task, storage, batches, lambda _: None)


def test_loss_that_is_not_finite_names_the_step_and_is_not_stored(storage: Storage) -> None:
    task = make_task(save_every=1)
    task = replace(task, optimizer=Optimizer().model_copy(update={"weight_decay": 1e40}))
    with pytest.raises(FloatingPointError, match="step 1"):
        train(task, storage, make_batches(task, storage), lambda _: None)
    assert not (state_folder(storage, 2) / "state.json").exists()
