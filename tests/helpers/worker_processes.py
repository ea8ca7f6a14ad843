"""Trainings in processes of their own: several workers of one node, or one that may be killed."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from raycl.storage import Storage
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.shard import Shard
from raycl.train.interruption import Interrupted
from raycl.train.parallel.world import World
from raycl.train.validation import KeptRows
from tests.helpers.forked_processes import CONTEXT
from tests.helpers.loaded_shares import assert_loads
from tests.helpers.training_runs import Notice, make_task, poison, run

CPU = torch.device("cpu")
Jobs = list[tuple[Storage, dict[str, Any]]]


def launch(world: int, jobs: Jobs, **environment: str) -> list[int]:
    """Run the jobs one after another in `world` processes; the exit status of each rank.

    A job is a storage and the fields of its `make_task`, with `notice` beside them for the
    `Notice` of each rank, and with `workers` where only so many of the processes train: then they
    first compare what they load of each state of the storage with the state.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
    plain = [(str(storage.local_root), fields) for storage, fields in jobs]
    processes = [
        CONTEXT.Process(
            target=_work,
            args=(plain, {**shared, **environment, "RANK": str(rank)}),
            daemon=True,  # it must not outlive the tests, whatever it waits for
        )
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode or 0 for process in processes]


def _work(jobs: list[tuple[str, dict[str, Any]]], environment: dict[str, str]) -> None:
    """One rank, under the variables that torchrun would set."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    rank, world = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    if world > 1:
        dist.init_process_group("gloo")
    if "DIE_BEFORE_COMMIT" in environment:
        _die_before_commit(int(environment["DIE_BEFORE_COMMIT"]))
    if environment.get("HOLD_SAVES_OF") == str(rank):
        _hold_saves()
    if "POISON" in environment:
        folder, steps, value = json.loads(environment["POISON"])
        poison(make_task(stop=8), Storage(folder), steps, float(value))
    for number, (folder, fields) in enumerate(jobs):
        workers = fields.pop("workers", None)
        if workers is None:
            _run(Storage(folder), rank, world, fields)
            continue
        _leave()
        meeting = Path(folder) / f"meeting-{number}"
        if rank < workers:
            dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=workers)
            assert_loads(Storage(folder), make_task(**fields), World(rank, workers, CPU))
            _run(Storage(folder), rank, workers, fields)
    _leave()


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _run(storage: Storage, rank: int, world: int, fields: dict[str, Any]) -> None:
    """Train; where the job has a notice for each rank, note where this one stopped."""
    if "notice" not in fields:
        run(storage, rank, world, **fields)
        return
    notice, stopped = Notice(fields.pop("notice")[rank]), ""
    try:
        run(storage, rank, world, notice=notice, **fields)
    except Interrupted as interruption:
        stopped = str(interruption)
    storage.write_json(f"notices/{rank}", {"stopped": stopped})


def _die_before_commit(step: int) -> None:
    """SIGKILL where the mark of the state after `step` steps would be written."""
    write_json = Storage.write_json

    def write_or_die(self: Storage, path: str, value: Any) -> None:
        if path.startswith(f"states/{step:09d}") and path.endswith("state.json"):
            os.kill(os.getpid(), 9)
        write_json(self, path, value)

    Storage.write_json = write_or_die  # type: ignore[method-assign]


def _hold_saves() -> None:
    """Let this rank write nothing before it has gathered the losses of rows; the others write."""
    gathered, write, file = threading.Event(), StateWriter._write_shard, KeptRows.file

    def write_later(self: StateWriter, name: str, shard: Shard) -> None:
        if not gathered.wait(60):
            os._exit(9)  # so that the other rank does not wait for this one either
        write(self, name, shard)

    def noted(self: KeptRows) -> bytes:
        found = file(self)
        gathered.set()
        return found

    StateWriter._write_shard = write_later  # type: ignore[method-assign]
    KeptRows.file = noted  # type: ignore[method-assign]
