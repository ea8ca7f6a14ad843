"""Gradients of one step in processes of their own, under several layouts of the same workers."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor

from raycl.plan.layout import Layout
from raycl.plan.training import ModelSpec
from raycl.train.micro_batches import cut
from raycl.train.parallel import sharding
from raycl.train.parallel.clipping import clip_gradients
from raycl.train.parallel.gradients import accumulate_gradients, complete_gradients
from raycl.train.parallel.world import World
from raycl.train.start.fill import whole_model
from tests.helpers.forked_processes import CONTEXT

ROWS, LENGTH = 8, 16
Gradients = dict[str, torch.Tensor]


def gradients(
    world: World, config: Mapping[str, Any], micro_batch: int, dtype: torch.dtype = torch.float32
) -> Gradients:
    """Whole gradients of a step of 8 rows by name, before clipping, and `norm` (collective)."""
    model = whole_model(ModelSpec(config), LENGTH, 0).train()
    sharding.shard_model(model, world, dtype)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, model.vocabulary, (ROWS, LENGTH + 1), generator=generator)
    share = ROWS // world.layout.readers
    own = rows[world.reader * share : (world.reader + 1) * share]
    pieces = cut(own, min(micro_batch, share), share)
    accumulate_gradients(model, pieces, world, ROWS * LENGTH)
    complete_gradients(model)
    norm = clip_gradients(model, 0.0)
    return {"norm": norm} | {name: _whole(p.grad) for name, p in model.named_parameters()}


def _whole(gradient: torch.Tensor | None) -> torch.Tensor:
    assert gradient is not None
    return gradient.full_tensor() if isinstance(gradient, DTensor) else gradient


Case = tuple[Layout, dict[str, Any], int]


def launch(folder: Path, cases: Mapping[str, Case]) -> dict[str, Gradients]:
    """The gradients of each case (layout, configuration, micro-batch), by as many processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    workers = next(iter(cases.values()))[0].workers
    processes = [
        CONTEXT.Process(
            target=_work, args=(rank, workers, address, folder, dict(cases)), daemon=True
        )
        for rank in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * workers
    return {name: load_file(folder / f"{name}.safetensors") for name in cases}


def _work(rank: int, size: int, address: str, folder: Path, cases: dict[str, Case]) -> None:
    torch.set_num_threads(1)
    sharding.ONE_UNIT_BYTES = 0  # so that these small models have as many units as large ones
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=size)
    for name, (layout, config, micro_batch) in cases.items():
        world = World(rank, size, torch.device("cpu"), layout)
        found = gradients(world, config, micro_batch)
        if rank == 0:
            save_file(
                {key: value.detach().clone().contiguous() for key, value in found.items()},
                folder / f"{name}.safetensors",
            )
    dist.destroy_process_group()
