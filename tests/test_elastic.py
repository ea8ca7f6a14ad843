"""Machines that are taken away with notice, and that come back: 2 workers, then 1, then 2."""

from __future__ import annotations

import io
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load

from raycl.checkpoint import load_model, read_state
from raycl.loop import Interrupted, train
from raycl.rank_rows import direct_batches
from raycl.storage import Storage
from raycl.training import Training
from tests.slow_loop import steps_and_workers
from tests.training_runs import CONFIG, make_storage, make_task

ROOT = Path(__file__).parents[1]
STEPS = 160

MACHINES = """
import atexit, os, subprocess, sys, threading, time
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAYCL_RESIZE_SECONDS"] = "5"
os.environ["RAYCL_ELASTIC_START_SECONDS"] = "30"
from pathlib import Path
from ray.cluster_utils import Cluster
from raycl.cluster import cluster, free_port, held_placement_groups, living_actors
from raycl.state_names import complete_states
from raycl.storage import Storage
from raycl.sweep import run_sweep
from raycl.tree import Node, Tree
from tests import slow_loop, test_elastic

storage = Storage(sys.argv[1])
# A node that ends with this process can be added by its main thread alone.
machines = Cluster(initialize_head=True, shutdown_at_exit=False, head_node_args={
    "num_cpus": 0, "temp_dir": sys.argv[2], "include_dashboard": True,
    "dashboard_port": free_port(),
})
machines.add_node(num_cpus=1)
spot = machines.add_node(num_cpus=1)

def wait_for(workers, steps):
    while sum(w == workers for _, w in slow_loop.steps_and_workers(storage)) < steps:
        time.sleep(0.1)

def take_away_and_bring_back():
    wait_for(2, 10)
    ray = Path(sys.executable).parent / "ray"
    subprocess.run([ray, "drain-node", "--address", machines.address, "--node-id", spot.node_id,
                    "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot",
                    "--deadline-remaining-seconds", "60"], check=True)
    while not complete_states(storage):
        time.sleep(0.1)
    machines.remove_node(spot)
    wait_for(1, 10)
    machines.add_node(num_cpus=1)

threading.Thread(target=take_away_and_bring_back, daemon=True).start()
atexit.register(machines.shutdown)
with cluster(machines.address, None):
    training = test_elastic.training(workers=2, fewest_workers=1)
    node = Node(training.chain.name(test_elastic.STEPS), None, training, ("recipe",))
    outcome = run_sweep(Tree((node,), {}), storage, train=slow_loop.train,
                        on_event=lambda event: print(event.kind, event.reason, flush=True))
    print("outcome", len(outcome.finished), outcome.failed, flush=True)
    print("held", held_placement_groups(), living_actors(), flush=True)
"""


def training(**fields: int) -> Training:
    """A node long enough for machines to come and go."""
    return make_task(stop=STEPS, steps=STEPS, rates=(1e-3, 1e-3), **fields)


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
@pytest.mark.timeout(400)
def test_two_workers_then_one_then_two(tmp_path: Path) -> None:
    storage, task = make_storage(tmp_path / "elastic"), training()
    with tempfile.TemporaryDirectory(prefix="raycl-t-", dir="/tmp") as short:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        # Cluster writes its address where `ray.init("auto")` looks: not where others do.
        environment["RAY_TMPDIR"] = short
        Path(short, "ray").mkdir()
        environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'tests'}"
        process = subprocess.Popen(
            [sys.executable, "-c", MACHINES, storage.url, short], env=environment,
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=300)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
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
    for expected in (1, 2):
        with pytest.raises(Interrupted, match=f"saved after step {expected}"):
            train(task, storage, direct_batches(task, storage, 0, 1), lambda _: None, lambda: True)
        assert storage.exists(f"states/{task.chain.name(expected)}/state.json")
    train(
        task, storage, direct_batches(task, storage, 0, 1),
        lambda metrics: updates.append(metrics["optimizer_steps"]),
    )  # fmt: skip
    assert updates[-1] == 8 - 2
    name = task.chain.name(8)
    files = [file for file in storage.list(f"states/{name}") if file.endswith(".safetensors")]
    assert files
    for file in files:  # as tensors: headers differ in the order of their entries
        expected = load(undisturbed.read_bytes(f"states/{name}/{file}"))
        found = load(storage.read_bytes(f"states/{name}/{file}"))
        assert expected.keys() == found.keys()
        assert all(torch.equal(tensor, found[key]) for key, tensor in expected.items())
