"""Memory, bytes and seconds of a rank that saves a state, resumes it, or takes over its weights.

python -m benchmarks.state_io [--parameters 300e6] [--ranks 1 2 4] [--storage URL]

Each number of ranks runs in gloo processes of its own, sharded by FSDP2 as in training, first to
write a state and then to read those of all numbers. A rank's memory is its peak (VmHWM) above what
it held before the phase: the model and the moments are there, libraries are loaded, and glibc gives
freed memory back at once (`benchmarks.resident`). The storage is a new local folder unless a URL is
given, for example that of an S3 server.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from benchmarks.resident import peak, resident, restart_peak, return_freed_memory
from raycl.plan.training import ModelSpec
from raycl.states.mark import Metadata, StateMark
from raycl.storage import Storage, layout
from raycl.storage.backend import Content
from raycl.train.checkpoint.load import load_state
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.checkpoint.tensors import named_tensors, restore_step_count
from raycl.train.model.empty import materialize
from raycl.train.model.language_model import LanguageModel, empty_model
from raycl.train.parallel.boxes import local_part
from raycl.train.parallel.sharding import shard_model
from raycl.train.parallel.world import World

MIB = 2**20
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["transformers.models.gpt_neox.modeling_gpt_neox", __name__])


def configuration(parameters: float) -> dict[str, Any]:
    """A GPT-NeoX of about so many parameters."""
    layers = 12
    hidden = max(64, round((parameters / (12 * layers + 30)) ** 0.5 / 64) * 64)
    return {
        "model_type": "gpt_neox",
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "vocab_size": 16 * hidden,
        "max_position_embeddings": 64,
    }


class Counted(Storage):
    """Counts the bytes that are read and written."""

    read = written = 0

    def read_bytes(self, path: str) -> bytes:
        """See `Storage`."""
        data = super().read_bytes(path)
        self.read += len(data)
        return data

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """See `Storage`."""
        data = super().read_range(path, start, length)
        self.read += len(data)
        return data

    def write_stream(self, path: str, content: Content, size: int) -> None:
        """See `Storage`."""
        super().write_stream(path, content, size)
        self.written += size


def measured(storage: Counted, phase: Callable[[], float]) -> dict[str, float]:
    """What a phase took; it returns the seconds for which it held up the training."""
    restart_peak()
    before, storage.read, storage.written = resident(), 0, 0
    began = time.perf_counter()
    blocked = phase()
    return {
        "MiB more": (peak() - before) / MIB,
        "MiB read": storage.read / MIB,
        "MiB written": storage.written / MIB,
        "seconds": time.perf_counter() - began,
        "blocked": blocked,
    }


def _mark(name: str, spec: ModelSpec, world: World) -> StateMark:
    return StateMark(
        name=name,
        step=1,
        stage="s",
        optimizer_steps=1,
        tokens=1,
        world_size=world.size,
        model=spec,
        metadata=Metadata(corpora={}),
        previous=None,
        previous_step=0,
        seconds=0.0,
        kept=True,
        files={},
    )


def _model(spec: ModelSpec, world: World) -> tuple[LanguageModel, torch.optim.AdamW]:
    model = empty_model(spec, 16, ("sdpa",))
    shard_model(model, world, torch.float32)
    materialize(model, world.device)
    optimizer = torch.optim.AdamW(model.parameters())
    restore_step_count(model, optimizer, 1)
    for name, tensor in named_tensors(model, optimizer).items():
        local_part(tensor).fill_(len(name))
    return model, optimizer


@dataclass(frozen=True)
class Job:
    """What one number of ranks does; `names` are the states by the number that wrote them."""

    url: str
    parameters: float
    names: dict[int, str]
    port: int
    size: int
    out: Path
    reads: bool
    """Whether it reads the states; else it writes its own."""


def _rank(job: Job, rank: int) -> None:
    """One rank: save twice (the first time allocates the buffers), or resume and hand off."""
    torch.set_num_threads(1)
    return_freed_memory()
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(job.port))
    dist.init_process_group("gloo", rank=rank, world_size=job.size)
    world, storage = World(rank, job.size, torch.device("cpu")), Counted(job.url)
    spec = ModelSpec(configuration(job.parameters), initialization="gpt-neox")
    _load_libraries(spec, storage, world)
    model, optimizer = _model(spec, world)
    facts: dict[str, Any] = {}
    if job.reads:
        for source, name in job.names.items():
            for what, of in (("resume", optimizer), ("hand-off", None)):
                load = partial(_load, storage, name, model, of, world)
                facts[f"{what} of {source}"] = measured(storage, load)
    else:
        facts = _saves(job.names[job.size], model, optimizer, storage, world)
    (job.out / f"{rank}.json").write_text(json.dumps(facts))
    dist.destroy_process_group()


def _load_libraries(spec: ModelSpec, storage: Counted, world: World) -> None:
    """Save and read a state of one number, so that what is imported for it is imported."""
    name, tensors = f"{0:09d}-{world.size:032x}", {"model.one": torch.ones(1)}
    writer = StateWriter(storage, world, keep_last=1)
    writer.save(name, tensors, _mark(name, spec, world), {layout.STATE_HISTORY: b""}, kept=True)
    writer.wait()
    stored = StoredTensors(storage, read_state(storage, name), world)
    world.everywhere(lambda: stored.fill(tensors))
    world.agree(lambda: storage.remove_folder(f"states/{name}"))


def _saves(
    name: str,
    model: LanguageModel,
    optimizer: torch.optim.AdamW,
    storage: Counted,
    world: World,
) -> dict[str, Any]:
    writer, tensors = StateWriter(storage, world, keep_last=1), named_tensors(model, optimizer)
    spec = ModelSpec(model.model.config.to_diff_dict())

    def save(name: str) -> float:
        began = time.perf_counter()
        writer.save(name, tensors, _mark(name, spec, world), {layout.STATE_HISTORY: b""}, kept=True)
        blocked = time.perf_counter() - began
        writer.wait()
        return blocked

    again = f"{name[:10]}{name[10:].replace('0', 'a')}"
    facts = {
        "share MiB": sum(local_part(t).nbytes for t in tensors.values()) / MIB,
        "first save": measured(storage, lambda: save(name)),
        "save": measured(storage, lambda: save(again)),
    }
    world.agree(lambda: storage.remove_folder(f"states/{again}"))
    return facts


def _load(
    storage: Storage,
    name: str,
    model: LanguageModel,
    optimizer: torch.optim.Optimizer | None,
    world: World,
) -> float:
    began = time.perf_counter()
    load_state(storage, read_state(storage, name), model, optimizer, world)
    return time.perf_counter() - began


def run(url: str, parameters: float, ranks: list[int]) -> None:
    """Print a line of a table for each number of ranks and phase: the largest of its ranks."""
    names = {size: f"{1:09d}-{size:032x}" for size in ranks}
    print(f"| ranks | phase | {' | '.join(_COLUMNS)} |\n{'|---' * (len(_COLUMNS) + 2)}|")
    for reads, size in product((False, True), ranks):
        with tempfile.TemporaryDirectory() as folder:
            job = Job(url, parameters, names, _free_port(), size, Path(folder), reads)
            found = _answers(job)
        if not reads:
            share = max(facts.pop("share MiB") for facts in found)
            print(f"| {size} | a rank's share: {share:.0f} MiB |{' |' * len(_COLUMNS)}")
        for phase in found[0]:
            values = (max(facts[phase][column] for facts in found) for column in _COLUMNS)
            cells = " | ".join(f"{value:.1f}" for value in values)
            print(f"| {size} | {phase} | {cells} |", flush=True)


def _answers(job: Job) -> list[dict[str, Any]]:
    processes = [_CONTEXT.Process(target=_rank, args=(job, rank)) for rank in range(job.size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [json.loads((job.out / f"{rank}.json").read_text()) for rank in range(job.size)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_COLUMNS = ("MiB more", "MiB read", "MiB written", "seconds", "blocked")

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--parameters", type=float, default=300e6)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--storage")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="raycl-states-") as local:
        run(arguments.storage or local, arguments.parameters, arguments.ranks)
