"""Runs the loops in turn: A B C, A B C, …, so that a slow spell of the machine hits all of them."""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist

from benchmarks.loops.contenders import ONE_PROCESS, TWO_PROCESSES, Contender, left_out
from benchmarks.loops.sizes import BATCH, Rows, Speed, made_up_rows

Speeds = dict[str, list[Speed]]
"""Of each run of each loop."""
_WORKERS = 2


@dataclass(frozen=True)
class Turns:
    """How often each loop runs, for how many timed steps of `batch` rows."""

    runs: int
    steps: int
    batch: int = BATCH
    smoke: bool = False


def one_process(turns: Turns) -> Speeds:
    """The speeds of each loop that can run here."""
    torch.set_num_threads(1)
    return _take(turns, ONE_PROCESS, made_up_rows(turns.steps, turns.batch))


def two_processes(turns: Turns) -> Speeds:
    """The same for loops of two workers with one thread each, who exchange through gloo."""
    with tempfile.TemporaryDirectory(prefix="raycl-beside-") as folder:
        torch.multiprocessing.spawn(  # type: ignore[attr-defined, no-untyped-call]
            _worker, (folder, turns), nprocs=_WORKERS
        )
        found = json.loads((Path(folder) / "speeds.json").read_text(encoding="utf-8"))
    return {name: [Speed(*speed) for speed in speeds] for name, speeds in found.items()}


def _worker(rank: int, folder: str, turns: Turns) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=_WORKERS
    )
    rows = [batch[rank::_WORKERS] for batch in made_up_rows(turns.steps, turns.batch)]
    speeds = _take(turns, TWO_PROCESSES, rows)
    if rank == 0:
        (Path(folder) / "speeds.json").write_text(json.dumps(speeds), encoding="utf-8")
    dist.destroy_process_group()


def _take(turns: Turns, contenders: Mapping[str, Contender], rows: Rows) -> Speeds:
    without = left_out(contenders, turns.smoke)
    loops = {name: one.load() for name, one in contenders.items() if name not in without}
    speeds: Speeds = {name: [] for name in loops}
    for _ in range(turns.runs):
        for name, loop in loops.items():
            torch.compiler.reset()  # a run must not make use of what another one compiled
            gc.collect()
            speeds[name].append(loop(rows))
    return speeds
