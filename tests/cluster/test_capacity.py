"""What a cluster can ever hold, and what is refused because it never can."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from raycl.cluster import capacity as module
from raycl.cluster.capacity import (
    Capacity,
    MachineKind,
    cluster_capacity,
    gpu_machine,
    own_capacity,
    refuse_what_never_fits,
    scaled_capacity,
)
from raycl.cluster.options import ClusterOptions
from raycl.cluster.variables import parse_variables
from raycl.cluster.worker_needs import WorkerNeeds
from raycl.errors import InputError
from raycl.plan.machines import MACHINES
from raycl.plan.tree import Node
from tests.helpers import fakes

CPU, GPU, H100 = WorkerNeeds(), WorkerNeeds(True), WorkerNeeds(True, "H100")
HOST = {"CPU": 192, "GPU": 8, "accelerator_type:H100": 1}


def node(workers: int, fewest: int | None = None) -> Node:
    (made,) = fakes.make_tree([("a", None, workers)]).nodes
    return replace(made, training=replace(made.training, fewest_workers=fewest))


@pytest.mark.parametrize(
    ("resources", "needs", "workers"),
    [
        (HOST, CPU, 192),
        (HOST, GPU, 8),
        (HOST, H100, 8),
        (HOST | {"CPU": 4}, GPU, 4),
        ({"CPU": 8, "GPU": 8, "accelerator_type:A100": 1}, H100, 0),
        ({"CPU": 0.5}, CPU, 0),
    ],
)
def test_a_machine_holds_whole_workers(
    resources: dict[str, float], needs: WorkerNeeds, workers: int
) -> None:
    assert MachineKind(resources, 1).workers(needs) == workers


def test_halves_on_two_machines_are_no_worker() -> None:
    halves = Capacity((MachineKind({"CPU": 0.5}, 1), MachineKind({"CPU": 0.5}, 1)))
    assert halves.workers(CPU) == 0


def config(**fields: object) -> dict[str, object]:
    kinds = {
        "head": {"resources": {"CPU": 0}, "node_config": {}},
        "small": {"resources": {"CPU": 4}, "max_workers": 10},
        "large": {"resources": HOST, "max_workers": 2},
    }
    return {"available_node_types": kinds, "head_node_type": "head", **fields}


def test_an_autoscaler_starts_no_more_machines_than_it_may() -> None:
    assert scaled_capacity(config(max_workers=3)).workers(GPU) == 16
    assert scaled_capacity(config(max_workers=1)).workers(GPU) == 8
    assert scaled_capacity(config(max_workers=11)).workers(CPU) == 2 * 192 + 9 * 4
    assert scaled_capacity(config()).workers(GPU) == 16
    assert math.isinf(scaled_capacity(config()).most)


@pytest.mark.parametrize("elastic", [False, True])
def test_a_node_that_never_fits_is_refused_with_what_there_is(elastic: bool) -> None:
    asks = node(24, fewest=16 if elastic else None)
    two_hosts = Capacity((MachineKind(HOST, 2),))
    if elastic:
        refuse_what_never_fits([asks], H100, two_hosts)
        return
    refuse_what_never_fits([asks], H100, None)
    with pytest.raises(InputError) as raised:
        refuse_what_never_fits([node(1), asks], H100, two_hosts)
    text = str(raised.value)
    assert "stage 'a': it needs 24 workers of 1 CPU and 1 GPU (H100) each" in text
    assert "never hold more than 16: it has 384 CPU, 16 GPU" in text


def test_an_embedded_cluster_has_the_cpus_that_it_is_told() -> None:
    with pytest.raises(InputError, match="never hold more than 2: it has 2 CPU"):
        refuse_what_never_fits([node(4)], CPU, own_capacity(ClusterOptions(workers=2)))
    assert own_capacity(ClusterOptions("10.0.0.1:6379")) is None


def test_what_ray_does_not_tell_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bootstrap.yaml"
    monkeypatch.setattr(module, "autoscaler_file", lambda: str(file))

    def found(needs: WorkerNeeds, **large: object) -> Capacity | None:
        written = config(max_workers=3)
        kinds = written["available_node_types"]
        assert isinstance(kinds, dict)
        kinds["large"] |= large
        file.write_text(yaml.safe_dump(written, sort_keys=False))
        return cluster_capacity(needs)

    assert found(H100) == scaled_capacity(config(max_workers=3))
    unnamed = {"CPU": 192, "GPU": 8}
    assert found(GPU, resources=unnamed) is not None
    assert found(H100, resources=unnamed) is None  # Ray finds out what GPU it is when it starts
    assert found(CPU, resources={}) is None
    monkeypatch.setattr(module, "autoscaler_file", lambda: None)
    assert cluster_capacity(CPU) is None


# What a worker asks for, and is told


def test_the_gpus_of_a_cluster_are_known_where_each_kind_is() -> None:
    a100 = {"CPU": 96, "GPU": 4, "accelerator_type:A100": 1}
    there = MachineKind({"CPU": 4}, 1), MachineKind(a100, 1)
    found = gpu_machine(GPU, Capacity(there))
    assert found is not None
    assert (found.memory, found.gpus_per_host) == (80e9, 4)
    grows = replace(MACHINES["H200"], gpus_per_host=8)
    h200 = {"CPU": 192, "GPU": 8, "accelerator_type:H200": 1}
    assert gpu_machine(GPU, Capacity(there, (MachineKind(h200, 2),))) == grows
    assert gpu_machine(H100, Capacity((MachineKind(HOST, 2),))) == MACHINES["H100"]
    # A kind of GPU that is not told may have any memory.
    assert gpu_machine(GPU, Capacity(there, (MachineKind({"CPU": 8, "GPU": 1}, 1),))) is None
    assert gpu_machine(CPU, Capacity(there)) is None
    assert gpu_machine(GPU, None) is None


def test_an_accelerator_is_a_kind_of_gpu() -> None:
    options = ClusterOptions(gpus=True, accelerator="H100")
    assert options.needs.resources() == {"CPU": 1, "GPU": 1, "accelerator_type:H100": 0.001}
    assert str(options.needs) == "1 CPU and 1 GPU (H100)"
    assert (str(GPU), str(CPU)) == ("1 CPU and 1 GPU", "1 CPU")
    with pytest.raises(InputError, match="Add --gpus"):
        ClusterOptions(accelerator="H100")
    with pytest.raises(InputError, match="not a name of Ray's"):
        ClusterOptions(gpus=True, accelerator="H100 --x")


def test_variables_of_network_and_allocator_are_told() -> None:
    words = ["NCCL_SOCKET_IFNAME=^lo,docker", "FI_PROVIDER=efa", "GLOO_SOCKET_IFNAME="]
    assert parse_variables([*words, words[0], "PYTORCH_ALLOC_CONF=expandable_segments:True"]) == (
        ("FI_PROVIDER", "efa"),
        ("GLOO_SOCKET_IFNAME", ""),
        ("NCCL_SOCKET_IFNAME", "^lo,docker"),
        ("PYTORCH_ALLOC_CONF", "expandable_segments:True"),
    )


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("NCCL_DEBUG", "NAME=VALUE"),
        ("nccl_debug=INFO", "NAME=VALUE"),
        ("NCCL_DEBUG=a\nb", "NAME=VALUE"),
        ("LD_PRELOAD=/tmp/x.so", "not a variable of the network"),
        ("AWS_SECRET_ACCESS_KEY=hunter2", "looks like a secret"),
        ("HF_TOKEN=hunter2", "looks like a secret"),
        ("NCCL_CONF=https://me:hunter2@host", "looks like a secret"),
        ("FI_PROVIDER=tcp", "given twice"),
    ],
)
def test_other_variables_are_refused_and_never_repeated(word: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as raised:
        parse_variables(["FI_PROVIDER=efa", word])
    assert "hunter2" not in str(raised.value)
