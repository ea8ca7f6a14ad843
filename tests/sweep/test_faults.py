"""A node of two workers ends with the same bits though its processes and machine are killed."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load

from raycl.storage import Storage
from tests.helpers.killed_machines import (
    CONTROLLER,
    RAYLET,
    SAVE_EVERY,
    STEPS,
    TRIAL,
    WORKER,
    training,
)
from tests.helpers.machines import run_on_machines
from tests.helpers.slow_loop import steps_and_workers
from tests.helpers.training_runs import make_storage
from tests.helpers.worker_processes import launch


def end_tensors(storage: Storage) -> dict[str, torch.Tensor]:
    """Weights and AdamW's state of the node's end, by file and name."""
    folder = f"states/{training().chain.name(STEPS)}"
    return {
        f"{file}:{name}": tensor
        for file in storage.list(folder)
        if file.endswith(".safetensors")
        for name, tensor in load(storage.read_bytes(f"{folder}/{file}")).items()
    }


# Each kill costs a new start of the worker group, half a minute. test_sweep kills a worker of such
# a node and test_end_to_end a trial, so that `make test` kills here what they do not. A raylet
# takes the worker on its machine along.
@pytest.mark.ray
@pytest.mark.parametrize(
    "kills",
    [
        (CONTROLLER, RAYLET),
        pytest.param((CONTROLLER, WORKER, TRIAL, RAYLET), marks=pytest.mark.machines),
    ],
    ids=["two", "four"],
)
def test_killed_in_several_ways_it_ends_with_the_same_bits(
    tmp_path: Path, kills: tuple[str, ...]
) -> None:
    storage = make_storage(tmp_path / "killed")
    output = run_on_machines(
        "tests.helpers.killed_machines", storage.url, RAYCL_TEST_KILLS=",".join(kills)
    )
    assert "outcome 1 {}" in output, output
    assert "held [] []" in output, output
    assert not storage.list("leases/nodes")
    killed = [storage.read_json(f"killed/{name}") for name in sorted(storage.list("killed"))]
    assert killed == list(kills)

    steps = [step for step, workers in steps_and_workers(storage) if workers == 2]
    goes_back = [(last, first) for last, first in itertools.pairwise(steps) if first != last + 1]
    assert steps[0] == 0
    assert steps[-1] == STEPS - 1
    assert len(goes_back) == len(killed), steps
    for last, first in goes_back:  # to a state that was saved, at most one save before the last
        assert first % SAVE_EVERY == 0
        assert 0 <= last + 1 - first <= 2 * SAVE_EVERY
    history = pq.read_table(
        io.BytesIO(storage.read_bytes(f"states/{training().chain.name(STEPS)}/history.parquet"))
    )
    assert [step for step in history["step"].to_pylist() if step >= 0] == list(range(STEPS))

    undisturbed = make_storage(tmp_path / "undisturbed")
    fields = {"stop": STEPS, "steps": STEPS, "save_every": SAVE_EVERY}
    assert launch(2, [(undisturbed, fields)]) == [0, 0]
    expected, found = end_tensors(undisturbed), end_tensors(storage)
    assert expected
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
