"""Measures the memory that a rank takes at its start, and checks that all starts are the same.

Real processes with gloo build a model, shard it with FSDP2 and fill it: from a seed, by the rules
of the model's class, and from a checkpoint in a storage. Each reports its peak over what it took
before, and a hash of the whole model's weights. Every line is a new group of processes with one
thread each; glibc gives freed memory back at once (`benchmarks.resident`).

    python -m benchmarks.start_memory                  # about 300M parameters, 1, 2 and 4 ranks
    python -m benchmarks.start_memory --width 256      # a small one
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import multiprocessing
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from benchmarks.resident import peak, resident, restart_peak, return_freed_memory
from raycl.models.read import read_start
from raycl.models.store import store_start
from raycl.plan.model_fields import trained_fields
from raycl.plan.training import ModelSpec
from raycl.storage import Storage
from raycl.train.model.empty import materialize
from raycl.train.model.language_model import LanguageModel, empty_model
from raycl.train.parallel.sharding import shard_model
from raycl.train.parallel.world import World
from raycl.train.start.fill import fill, initial_weights, whole_model

_LENGTH, _VOCABULARY, _LAYERS = 64, 32_000, 20


@dataclass(frozen=True)
class Started:
    """What one rank reports."""

    peak: int
    """Bytes of memory at the most, over those before the model was built."""
    weights: str
    """SHA-256 (hex) over the values of all weights of the whole model."""


def specs(width: int, storage: Storage, scratch: Path) -> dict[str, ModelSpec]:
    """A start of each kind; the checkpoint of the last is made and stored."""
    sizes = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": 4,
        "max_position_embeddings": _LENGTH,
        "vocab_size": min(_VOCABULARY, 32 * width),
    }
    neox = ModelSpec({"model_type": "gpt_neox", **sizes}, initialization="gpt-neox")
    whole_model(neox, _LENGTH, 0).model.save_pretrained(scratch / "base")
    start = read_start(str(scratch / "base"), scratch)
    store_start(storage, start)
    return {
        "random, gpt-neox": neox,
        "random, the class's rules": ModelSpec({"model_type": "llama", **sizes}),
        "checkpoint": ModelSpec(trained_fields(start.config), start.identifier),
    }


def started(specs: Sequence[ModelSpec], storage: Storage, ranks: int) -> list[list[Started]]:
    """What each of the ranks reports of these starts, one after another."""
    context = multiprocessing.get_context("forkserver")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    results: Any = context.SimpleQueue()
    processes = [
        context.Process(
            target=_rank, args=(rank, ranks, port, specs, storage, results), daemon=True
        )
        for rank in range(ranks)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a rank failed")
    return [results.get() for _ in processes]


def _rank(
    rank: int, size: int, port: int, specs: Sequence[ModelSpec], storage: Storage, results: Any
) -> None:
    torch.set_num_threads(1)
    return_freed_memory()
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    if size > 1:
        dist.init_process_group("gloo", rank=rank, world_size=size)
    world = World(rank, size, torch.device("cpu"))
    for spec in specs:  # what is imported is imported before the measurement
        shard_model(empty_model(spec, _LENGTH), world, torch.float32)
    results.put([_start(spec, storage, world) for spec in specs])
    if size > 1:
        dist.destroy_process_group()


def _start(spec: ModelSpec, storage: Storage, world: World) -> Started:
    gc.collect()
    restart_peak()
    before = resident()
    model = empty_model(spec, _LENGTH)
    shard_model(model, world, torch.float32)
    materialize(model, world.device)
    fill(model, spec, initial_weights(storage, spec, 1), world)
    return Started(peak() - before, _digest(model))


def _digest(model: LanguageModel) -> str:
    whole = hashlib.sha256()
    for name, parameter in model.named_parameters():
        values = parameter.detach()
        values = values.full_tensor() if isinstance(values, DTensor) else values
        whole.update(name.encode() + values.numpy().tobytes())
    return whole.hexdigest()


def main() -> None:
    """Print a line for each start and number of ranks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        storage = Storage(Path(scratch) / "storage")
        for name, spec in specs(arguments.width, storage, Path(scratch)).items():
            count = sum(p.numel() for p in empty_model(spec, _LENGTH).parameters())
            weights = set()
            for ranks in arguments.ranks:
                reports = [report for (report,) in started([spec], storage, ranks)]
                weights |= {report.weights for report in reports}
                most = max(report.peak for report in reports)
                print(f"| {name} | {count:,} | {ranks} | {most / 2**20:,.0f} MiB |", flush=True)
            if len(weights) > 1:
                sys.exit("the weights depend on the number of ranks")


if __name__ == "__main__":
    main()
