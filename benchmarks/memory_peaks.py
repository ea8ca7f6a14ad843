"""Measured peaks of memory beside those that `raycl plan` computes, a fresh process for each case.

    python -m benchmarks.memory_peaks [--process] [--cases NUMBER …]

A worker's peak is the largest resident set of its process (VmHWM) after two steps, less what it
was after a training of a tiny model, when all libraries were loaded. glibc is told to take blocks
of 64 KiB and more from the system and to give them back at once, as a GPU's allocator could: freed
memory that a process keeps would be counted otherwise. One thread a worker.

With `--process`, glibc is left as it is and the peak is that of the whole training, the writing of
its end state included: what a worker takes of a machine without GPUs.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.gpu.sizes import CORPUS, Size, make_task, write_rows
from benchmarks.resident import peak, resident
from raycl.data.manifest import load_manifest
from raycl.data.shards import CorpusReader
from raycl.plan.chain import Chain
from raycl.plan.execution import Execution
from raycl.plan.layout import Layout
from raycl.plan.memory import Checkpointing, Computation, MemoryFacts, StepMemory, step_memory
from raycl.plan.presets import PRESETS
from raycl.plan.process_memory import ProcessMemory, worker_memory
from raycl.plan.trained import ALL, Trains
from raycl.plan.training import ModelSpec, Training
from raycl.storage import Storage
from raycl.train.observers import Observer

_STEPS = 2  # the second has AdamW's moments, and nothing grows after it
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
_ALLOCATOR |= {"MALLOC_ARENA_MAX": "1"}
_THREADS = {"OMP_NUM_THREADS": "1"}
# 119M and 123M parameters with 32,768 tokens, and 116M with a soft cap.
_NEOX = {**PRESETS["gpt-neox-405m"], "num_hidden_layers": 4, "vocab_size": 32768}
_LLAMA = {**PRESETS["llama-1b"], "num_hidden_layers": 1, "vocab_size": 30000}
_GEMMA2 = {
    "model_type": "gemma2",
    "hidden_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "intermediate_size": 3072,
    "vocab_size": 32768,
    "max_position_embeddings": 2048,
}
MODELS: Mapping[str, Mapping[str, Any]] = {"gpt-neox": _NEOX, "llama": _LLAMA, "gemma2": _GEMMA2}


@dataclass(frozen=True)
class Case:
    """One measurement."""

    model: str
    workers: int
    rows: int
    """Rows of each worker in a step."""
    micro_batch: int
    length: int = 128
    checkpointing: Checkpointing = "none"
    attention: str = "auto"
    trains: str = "all"
    """As YAML, as a recipe has it."""

    @property
    def what_trains(self) -> Trains:
        """What the stage trains."""
        return Trains.model_validate(yaml.safe_load(self.trains))


CASES = (
    Case("gpt-neox", 1, 4, 4, 256),
    Case("gpt-neox", 1, 8, 8, 256, checkpointing="selective"),
    Case("gpt-neox", 1, 8, 8, checkpointing="full"),
    Case("gpt-neox", 1, 8, 4),
    Case("gpt-neox", 1, 2, 2, 512, attention="eager"),
    Case("gpt-neox", 2, 4, 4),
    Case("gpt-neox", 2, 8, 4, checkpointing="full"),
    Case("llama", 1, 4, 4),
    Case("llama", 2, 8, 4),
    Case("llama", 2, 4, 4, checkpointing="selective"),
    Case("gemma2", 1, 4, 4),
    Case("gemma2", 1, 8, 4, checkpointing="full"),
    Case("gpt-neox", 1, 4, 4, trains="freeze: '*.layers.[0-2].*'"),
    Case("gpt-neox", 1, 4, 4, trains="lora: {rank: 16}"),
)


def measured(case: Case, config: Mapping[str, Any], folder: Path, whole: bool = False) -> float:
    """Peak bytes of the worker with most; each worker is a new process.

    `whole` measures the training to its end, with glibc as it is.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {**os.environ, **_THREADS, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {} if whole else _ALLOCATOR
    workers = []
    for rank in range(case.workers):
        place = {"RANK": str(rank), "WORLD_SIZE": str(case.workers)}
        told = json.dumps(
            {"case": vars(case), "config": dict(config), "folder": str(folder), "whole": whole}
        )
        command = [sys.executable, "-m", "benchmarks.memory_peaks", "--worker", told]
        workers.append(subprocess.Popen(command, env={**shared, **place}, stdout=subprocess.PIPE))
    answers = [worker.communicate()[0] for worker in workers]
    return max(float(answer.split()[-1]) for answer in answers)


def computed(case: Case, facts: MemoryFacts, whole: bool = False) -> StepMemory:
    """What `raycl plan` computes for the same worker, `whole` for all but its libraries."""
    computation = Computation(
        rows=case.rows,
        micro_batch=case.micro_batch,
        checkpointing=case.checkpointing,
        attention=case.attention,
    )
    layout = Layout(shard=case.workers)
    if not whole:
        return step_memory(facts, layout, computation)
    memory = worker_memory(facts, layout, computation)
    assert isinstance(memory, ProcessMemory)
    return replace(memory, process=0.0)


def facts_of(config: Mapping[str, Any], length: int, trains: Trains = ALL) -> MemoryFacts:
    """The facts of a model and of what is trained of it, counted on it."""
    from raycl.train.inspection.memory_facts import count_memory
    from raycl.train.model.architecture import hugging_face_config

    found = count_memory(hugging_face_config(config), (), length, trains)
    if found is None:
        raise ValueError("the model could not be counted")
    return found


def _work(case: Case, config: Mapping[str, Any], folder: Path, whole: bool = False) -> float:
    import torch
    import torch.distributed as dist

    from raycl.train.loop import train

    torch.set_num_threads(1)
    if case.workers > 1:
        dist.init_process_group("gloo")
    tiny = {**config, "num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 64}
    tiny |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
    for number, sizes in enumerate((tiny, config)):
        watch = _Watch()
        task = _task(replace(case, micro_batch=1) if number == 0 else case, sizes)
        storage = Storage(folder / f"{number}")
        if dist.is_initialized():
            if dist.get_rank() == 0:
                write_rows(storage, task)
            dist.barrier()
        else:
            write_rows(storage, task)
        base = float(resident())
        batches = functools.partial(_rows, task, storage, case.rows)
        train(task, storage, batches, lambda _: None, observers=[watch])
    return (float(peak()) if whole else watch.peak) - base


def _task(case: Case, config: Mapping[str, Any]) -> Training:
    size = Size(
        "gpt-neox-tiny", config["vocab_size"], case.length, case.rows * case.workers, _STEPS
    )
    execution = Execution(
        micro_batch=case.micro_batch,
        activation_checkpointing=case.checkpointing,
        attention=case.attention,  # type: ignore[arg-type]
    )
    task = replace(make_task(size, execution), model=ModelSpec(config))
    if config["num_hidden_layers"] == 1:  # the tiny model, which may lack what the stage names
        return task
    chain = task.chain
    stages = [replace(stage, trains=case.what_trains) for stage in chain.stages]
    made = Chain(chain.initial, stages, chain.fingerprints, chain.sequence_length)
    return replace(task, chain=made)


def _rows(task: Training, storage: Storage, share: int, first: int) -> Iterator[np.ndarray]:
    reader = CorpusReader(
        storage, task.corpora[CORPUS], load_manifest(storage, task.corpora[CORPUS])
    )
    rank = int(os.environ["RANK"])
    for step in range(first, task.stop):
        rows = np.concatenate([reader.read(run.first, run.count) for run in task.chain.rows(step)])
        yield rows[rank * share : (rank + 1) * share]


class _Watch(Observer):
    """Notes the peak after every step: what comes after the last one is no step."""

    peak = 0.0

    def on_step(self, step: int) -> None:  # noqa: ARG002 (the hook's)
        """Read the peak so far."""
        self.peak = float(peak())


def table(
    cases: Sequence[Case], models: Mapping[str, Mapping[str, Any]], whole: bool = False
) -> Iterator[str]:
    """Lines of a Markdown table, as they are measured."""
    yield "| model | workers | rows, micro-batch, length | computed again | measured | computed | |"
    yield "|---|---|---|---|---|---|---|"
    for case in cases:
        config = models[case.model]
        facts = facts_of(config, case.length, case.what_trains)
        with tempfile.TemporaryDirectory() as folder:
            found = measured(case, config, Path(folder), whole)
        memory = computed(case, facts, whole)
        name = f"{case.model} {facts.parameters / 1e6:.0f}M"
        name += f", {case.attention}" if case.attention != "auto" else ""
        name += f", {case.what_trains.text}" if case.trains != "all" else ""
        yield (
            f"| {name} | {case.workers} | {case.rows}, {case.micro_batch}, {case.length} "
            f"| {case.checkpointing} | {found / 2**20:,.0f} MiB "
            f"| {memory.total / 2**20:,.0f} MiB | {memory.total / found - 1:+.1%} |"
        )
        print({k: round(v / 2**20) for k, v in memory.parts().items()}, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all cases, or be one of their workers."""
    parser = argparse.ArgumentParser(description="Measured and computed peaks of memory.")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--cases", type=int, nargs="+", help="only these, counted from 0")
    parser.add_argument("--process", action="store_true", help="the whole process on a CPU")
    given = parser.parse_args(arguments)
    if given.worker:
        told = json.loads(given.worker)
        print(_work(Case(**told["case"]), told["config"], Path(told["folder"]), told["whole"]))
        return
    numbers = range(len(CASES)) if given.cases is None else given.cases
    for line in table([CASES[number] for number in numbers], MODELS, given.process):
        print(line, flush=True)


if __name__ == "__main__":
    main()
