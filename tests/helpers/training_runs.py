"""Tiny nodes to train, in this process or in several (run with `python -m … FILE`)."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from raycl.data.shards import (
    CorpusReader,
    Manifest,
    Split,
    content_fingerprint,
    load_manifest,
    write_manifest,
    write_shard,
)
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.mixture import Mixture, Source
from raycl.plan.schedule import Constant
from raycl.plan.training import ModelSpec, OptimizerSpec, Training
from raycl.storage import Storage
from tests.helpers.paths import ROOT

LENGTH, BATCH, VOCABULARY, FIRST_STAGE = 16, 8, 64, 4
CONFIG = {
    "model_type": "gpt_neox",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 32,
    "vocab_size": VOCABULARY,
}


def make_corpus(storage: Storage, name: str) -> None:
    """200 random training rows and 5 of validation (odd, so that two ranks get unequal shares)."""
    generator, folder = np.random.default_rng(len(name)), f"corpora/{name}"
    rows = generator.integers(0, VOCABULARY, (205, LENGTH + 1), dtype=np.uint16)
    train = Split((write_shard(storage, folder, "train", 0, rows[:200]),), 200, 1, 1, 1)
    held = Split((write_shard(storage, folder, "validation", 0, rows[200:]),), 5, 1, 1, 1)
    manifest = Manifest(
        name, "t", VOCABULARY, "uint16", LENGTH + 1, 0, {}, train, held, fingerprint=""
    )
    write_manifest(storage, folder, replace(manifest, fingerprint=content_fingerprint(manifest)))


def make_task(stop: int = 6, start: int = 0, steps: int = 8, **fields: Any) -> Training:
    """Steps of a chain of two stages; a hand-off resets the optimizer before step FIRST_STAGE."""
    mixture = Mixture(
        (
            Source("new", Fraction(1), limit=200, at_end="repeat"),
            Source("older", Fraction(1), replay=True, limit=200, at_end="repeat"),
        ),
        BATCH,
        Fraction(1, 4),
    )
    reset, rates = fields.pop("reset", True), fields.pop("rates", (1e-2, 3e-3))
    stages = [
        ChainStage("one", FIRST_STAGE, Constant(max_lr=rates[0]), mixture),
        ChainStage("two", steps - FIRST_STAGE, Constant(max_lr=rates[1]), mixture, reset),
    ]
    fingerprints = {"new": "0" * 16, "older": "1" * 16}
    chain = Chain({"seed": 1}, stages, fingerprints, LENGTH)
    return Training(
        chain,
        start,
        stop,
        ModelSpec(CONFIG, initialization="gpt-neox"),
        OptimizerSpec(gradient_skip=fields.pop("gradient_skip", None)),
        1,
        LENGTH,
        {name: f"corpora/{name}" for name in ("new", "older")},
        **fields,
    )


def make_storage(folder: Path) -> Storage:
    """A local storage that holds both corpora."""
    storage = Storage(folder)
    for name in ("new", "older"):
        make_corpus(storage, name)
    return storage


def make_batches(
    task: Training, storage: Storage, rank: int = 0, world: int = 1
) -> Callable[[int], Iterator[np.ndarray]]:
    """A rank's contiguous part of every global batch, read without Ray."""
    readers = {
        name: CorpusReader(storage, folder, load_manifest(storage, folder))
        for name, folder in task.corpora.items()
    }
    share = BATCH // world

    def batches(first: int) -> Iterator[np.ndarray]:
        for step in range(first, task.stop):
            runs = task.chain.rows(step)
            rows = np.concatenate([readers[r.corpus].read(r.first, r.count) for r in runs])
            yield rows[rank * share : (rank + 1) * share]

    return batches


def poison(task: Training, storage: Storage, steps: Sequence[int], value: float) -> None:
    """Add NaN or ∞ to the loss wherever the last row of one of these steps is read.

    The gradients by themselves stay finite. A finite `value` multiplies the loss. Patches the
    model's class; undo it yourself.
    """
    import torch

    from raycl.train.model import LanguageModel

    forward, stream = LanguageModel.forward, make_batches(task, storage)
    rows = np.stack([next(stream(step))[-1] for step in steps]).astype(np.int64)
    marked = torch.from_numpy(rows)

    def poisoned(self: LanguageModel, batch: torch.Tensor) -> torch.Tensor:
        found = (batch[:, None] == marked).all(-1).any()
        loss = forward(self, batch)
        if math.isfinite(value):
            return loss * torch.where(found, value, 1.0)
        return loss + torch.where(found, value, 0.0)

    LanguageModel.forward = poisoned  # type: ignore[method-assign, assignment]


def run(storage: Storage, rank: int = 0, world: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """Train a task of `make_task`; everything it reported."""
    from raycl.train.loop import train

    task = make_task(**fields)
    reports: list[dict[str, Any]] = []
    train(task, storage, make_batches(task, storage, rank, world), reports.append)
    return reports


def launch(
    folder: Path, world: int, jobs: list[tuple[Storage, dict[str, Any]]], **environment: str
) -> int:
    """Run the jobs one after another in `world` processes; the first non-zero exit status."""
    plan = folder / "jobs.json"
    plan.write_text(json.dumps([[str(storage.local_root), fields] for storage, fields in jobs]))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
    shared |= {"OMP_NUM_THREADS": "1", **environment}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.training_runs", str(plan)],
            cwd=ROOT,
            env={**os.environ, **shared, "RANK": str(rank)},
        )
        for rank in range(world)
    ]
    return next((status for p in processes if (status := p.wait(timeout=400)) != 0), 0)


def main() -> None:
    """Do what the JSON file lists: [[storage, fields], …]; under torchrun's variables, together."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        dist.init_process_group("gloo")
    if os.environ.get("DIE_BEFORE_COMMIT"):
        _die_before_commit(os.environ["DIE_BEFORE_COMMIT"])
    if os.environ.get("POISON"):
        folder, steps, value = json.loads(os.environ["POISON"])
        poison(make_task(stop=8), Storage(folder), steps, float(value))
    for folder, fields in json.loads(Path(sys.argv[1]).read_text()):
        run(Storage(folder), rank, world, **fields)
    if world > 1:
        dist.destroy_process_group()


def _die_before_commit(step: str) -> None:
    """SIGKILL where the mark of the state after `step` steps would be written."""
    write_json = Storage.write_json

    def write_or_die(self: Storage, path: str, value: Any) -> None:
        if path.startswith(f"states/{int(step):09d}") and path.endswith("state.json"):
            os.kill(os.getpid(), 9)
        write_json(self, path, value)

    Storage.write_json = write_or_die  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
