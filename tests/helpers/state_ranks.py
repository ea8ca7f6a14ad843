"""Tensors of any layout, saved and loaded by real ranks: what each of them reads and writes."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Placement, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

from benchmarks.resident import peak, resident, restart_peak, return_freed_memory
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.parallel.boxes import local_box, local_part
from raycl.train.parallel.world import World
from tests.helpers.counting_storage import CountingStorage
from tests.helpers.forked_processes import CONTEXT
from tests.helpers.state_marks import state_mark

NAME = "000000004-" + "a" * 32
ROW = 1024
LAYOUTS: Mapping[str, tuple[tuple[int, ...], tuple[Placement, ...]]] = {
    "flat": ((4,), (Shard(0),)),
    "hybrid": ((2, 2), (Replicate(), Shard(0))),
    "columns": ((2, 2), (Shard(0), Shard(1))),
    "twice": ((2, 2), (Shard(0), Shard(0))),
    "copies": ((4,), (Replicate(),)),
}
"""By name, the shape of the mesh and the placements of every tensor with two dimensions."""
FEWER = (3, 2)
"""Numbers of ranks that load flat what four have saved."""
TENSOR_PARALLEL = "tensor parallel"
"""Another layout: split over two ranks as in training, and each half sharded over two by FSDP2."""


@cache
def _drawn() -> dict[str, torch.Tensor]:
    """A large tensor, one that four ranks cannot share evenly, one of fewer rows than ranks."""
    draw = torch.Generator().manual_seed(7)
    return {
        "model.large": torch.randn(12000, ROW, generator=draw),
        "model.uneven": torch.randn(2050, ROW, generator=draw),
        "model.few": torch.randn(2, ROW, generator=draw),
        "optimizer.exp_avg.large": torch.randn(12000, ROW, generator=draw),
        "model.counts": torch.arange(12),
    }


def whole_tensors() -> dict[str, torch.Tensor]:
    """The tensors before they are divided, drawn once in a process."""
    return dict(_drawn())


def placed(layout: str) -> dict[str, torch.Tensor]:
    """The tensors under a layout; those of one dimension are held whole by every rank."""
    if layout == TENSOR_PARALLEL:
        return _tensor_parallel()
    shape, placements = LAYOUTS[layout]
    shape = (dist.get_world_size(),) if layout == "flat" else shape
    mesh = init_device_mesh("cpu", shape)
    return {
        # Every rank has drawn them all, so that none has to send its parts to the others.
        name: distribute_tensor(tensor, mesh, placements, src_data_rank=None).clone()
        if tensor.ndim > 1
        else tensor.clone()
        for name, tensor in whole_tensors().items()
    }


def _tensor_parallel() -> dict[str, torch.Tensor]:
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("shard", "tensor"))
    found = whole_tensors()
    for name, tensor in found.items():
        if tensor.ndim > 1:
            linear = nn.Linear(ROW, len(tensor), bias=False)
            linear.weight.data.copy_(tensor)
            parallelize_module(linear, mesh["tensor"], ColwiseParallel())
            fully_shard(linear, mesh=mesh["shard"])
            found[name] = linear.weight.detach()
    return found


def save_and_load(
    url: str, folder: Path, ranks: int, saved: str, loaded: Sequence[str]
) -> list[bool]:
    """Save under one layout and load under others; whether each rank got its own numbers.

    At the end fewer ranks load as well, each its share among them.
    `url` is that of the storage. `folder` gets, for each layout and rank, the bytes that it held
    and read, and how many more it used meanwhile.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    store = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    shared = {**store, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(ranks)}
    processes = [
        CONTEXT.Process(
            target=_work,
            args=(url, folder, saved, loaded, {**shared, "RANK": str(rank)}),
            daemon=True,
        )
        for rank in range(ranks)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode == 0 for process in processes]


def _work(
    url: str, folder: Path, saved: str, loaded: Sequence[str], environment: dict[str, str]
) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)
    return_freed_memory()
    dist.init_process_group("gloo")
    world = World(dist.get_rank(), dist.get_world_size(), torch.device("cpu"))
    storage = CountingStorage(url, str(folder / f"log-{world.rank}"))
    writer = StateWriter(storage, world, keep_last=1)
    writer.save(NAME, placed(saved), state_mark(NAME), {"history.parquet": b"history"}, kept=True)
    writer.wait()
    for layout in loaded:
        Path(storage.log).write_text("")
        more = _load(storage, layout, world)
        facts = {"read": sum(storage.reads()), "held": _held(layout), "more": more}
        (folder / f"{layout}-{world.rank}.json").write_text(json.dumps(facts))
    dist.destroy_process_group()
    for ranks in FEWER:
        if world.rank < ranks:
            _load_by(ranks, storage, folder, world.rank)


def _load_by(ranks: int, storage: CountingStorage, folder: Path, rank: int) -> None:
    """Load as one of fewer ranks, which meet in a group of their own."""
    meeting = f"file://{folder}/meeting-{ranks}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=ranks)
    _load(storage, "flat", World(rank, ranks, torch.device("cpu")))
    dist.destroy_process_group()


def _load(storage: CountingStorage, layout: str, world: World) -> int:
    """Load and compare; bytes used at the most, above those before."""
    expected = placed(layout)
    found = {name: torch.full_like(tensor, 7) for name, tensor in expected.items()}
    restart_peak()
    before = resident()
    StoredTensors(storage, read_state(storage, NAME), world).fill(found)
    more = peak() - before
    for name, tensor in found.items():
        assert torch.equal(local_part(tensor), local_part(expected[name])), name
    return more


def _held(layout: str) -> int:
    return sum(local_box(t).count * t.element_size() for t in placed(layout).values())
