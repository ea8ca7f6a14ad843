"""Machines that are taken away with notice, and that come back: 2 workers, then 1, then 2."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load

from raycl.data.rank_reader import direct_batches
from raycl.plan.training import Training
from raycl.storage import Storage
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.interruption import Interrupted
from raycl.train.loop import train
from tests.helpers.elastic_machines import STEPS, training
from tests.helpers.machines import run_on_machines
from tests.helpers.slow_loop import steps_and_workers
from tests.helpers.training_runs import CONFIG, make_storage, make_task


def weights(storage: Storage, task: Training) -> dict[str, torch.Tensor]:
    """The end state's, whole, without the keys' biases.

    Attention does not depend on these: in exact arithmetic their gradient is 0, so AdamW follows
    the rounding, which another number of workers changes.
    """
    state = read_state(storage, task.chain.name(STEPS))
    found = load_model(storage, state, task.sequence_length).state_dict()
    heads = CONFIG["num_attention_heads"]
    for name, tensor in found.items():
        if name.endswith("query_key_value.bias"):
            tensor.view(heads, 3, -1)[:, 1] = 0
    return found


@pytest.mark.ray
@pytest.mark.machines
def test_two_workers_then_one_then_two(tmp_path: Path) -> None:
    storage, task = make_storage(tmp_path / "elastic"), training()
    output = run_on_machines(
        "tests.helpers.elastic_machines",
        storage.url,
        RAYCL_RESIZE_SECONDS="5",
        RAYCL_ELASTIC_START_SECONDS="30",
    )
    assert "outcome 1 {}" in output, output
    assert "held [] []" in output, output
    steps = steps_and_workers(storage)
    assert [workers for workers, _ in itertools.groupby(w for _, w in steps)] == [2, 1, 2], steps
    last_of_two = next(step for (step, w), (_, after) in itertools.pairwise(steps) if w > after)
    first_of_one = next(step for step, workers in steps if workers == 1)
    assert first_of_one == last_of_two + 1  # the notice came in time: nothing is trained twice
    folder = f"states/{task.chain.name(STEPS)}"
    history = pq.read_table(io.BytesIO(storage.read_bytes(f"{folder}/history.parquet")))
    previous = storage.read_json(f"{folder}/state.json")["previous_step"]
    seen = [step for step in history["step"].to_pylist() if step >= 0]  # -1: before the first
    assert seen == list(range(previous, STEPS))
    undisturbed = make_storage(tmp_path / "undisturbed")
    train(task, undisturbed, direct_batches(task, undisturbed, 0, 1), lambda _: None)
    expected, found = weights(undisturbed, task), weights(storage, task)
    assert expected
    assert expected.keys() == found.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=1e-5)


def test_asked_to_stop_it_saves_at_once_and_goes_on_there(tmp_path: Path) -> None:
    task = make_task(stop=8)
    undisturbed, storage = make_storage(tmp_path / "a"), make_storage(tmp_path / "b")
    train(task, undisturbed, direct_batches(task, undisturbed, 0, 1), lambda _: None)
    updates = []
    for expected in (2, 4):  # the answer is read a step late
        with pytest.raises(Interrupted, match=f"saved after step {expected}"):
            train(task, storage, direct_batches(task, storage, 0, 1), lambda _: None, lambda: True)
        assert storage.exists(f"states/{task.chain.name(expected)}/state.json")
    train(
        task,
        storage,
        direct_batches(task, storage, 0, 1),
        lambda metrics: updates.append(metrics["optimizer_steps"]),
    )
    assert updates[-1] == 8 - 4
    name = task.chain.name(8)
    files = [file for file in storage.list(f"states/{name}") if file.endswith(".safetensors")]
    assert files
    for file in files:  # as tensors: headers differ in the order of their entries
        whole = load(undisturbed.read_bytes(f"states/{name}/{file}"))
        found = load(storage.read_bytes(f"states/{name}/{file}"))
        assert whole.keys() == found.keys()
        assert all(torch.equal(tensor, found[key]) for key, tensor in whole.items())
