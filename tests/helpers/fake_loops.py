"""Stand-ins for the training loop; they run in Ray's workers, so they import little."""

from __future__ import annotations

import os
import time
import uuid

import numpy as np

from raycl.data.ray_stream import Batches
from raycl.errors import InputError
from raycl.plan.training import Training
from raycl.storage import Storage
from raycl.sweep.worker import Asked, Report
from raycl.train.interruption import SAVED, Interrupted


def read_all(
    training: Training, storage: Storage, batches: Batches, report: Report, _: Asked
) -> None:
    """Read every batch, note who did, and leave an end state named by the stage."""
    rank = int(os.environ.get("RANK", "0"))
    note(storage, "begun", training, rank)
    rows = 0
    for step, batch in enumerate(batches(training.start), start=training.start):
        assert batch.dtype == np.uint16
        rows += len(batch)
        if rank == 0:
            report({"step": step, "loss": 1.0, "validation/new": 2.0})
    assert rows == training.chain.global_batch * (training.stop - training.start) / training.workers
    note(storage, "trained", training, rank)
    if rank == 0:
        storage.write_json(f"states/{training.stage}/state.json", {"at": time.time()})


def note(storage: Storage, what: str, training: Training, rank: int) -> None:
    """A file of its own, so that no writer waits for another."""
    name = f"notes/{what}-{training.stage}-{rank}-{uuid.uuid4().hex[:6]}.json"
    storage.write_json(name, {"pid": os.getpid(), "at": time.time()})


def notes(storage: Storage, what: str) -> list[str]:
    """Names of the stages noted, with a number of the rank where it is not 0."""
    parts = [name.split("-") for name in storage.list("notes")]
    return sorted(p[1] + (p[2] if p[2] != "0" else "") for p in parts if p[0] == what)


def processes(storage: Storage, what: str) -> dict[str, set[int]]:
    """From each stage noted to the processes that noted it."""
    found: dict[str, set[int]] = {}
    for name in storage.list("notes"):
        noted, stage, *_ = name.split("-")
        if noted == what:
            found.setdefault(stage, set()).add(storage.read_json(f"notes/{name}")["pid"])
    return found


def wait_to_be_killed(
    training: Training, storage: Storage, batches: Batches, report: Report, asked: Asked
) -> None:
    """Node `c` waits until one of its processes has been killed from outside."""
    if training.stage == "c" and not storage.exists("killed"):
        next(batches(training.start))
        note(storage, "waiting", training, int(os.environ.get("RANK", "0")))
        time.sleep(300)
    read_all(training, storage, batches, report, asked)


def save_when_asked(
    training: Training, storage: Storage, batches: Batches, report: Report, asked: Asked
) -> None:
    """Until somebody wants the node left; of a group rank 0 hears it, and tells the others."""
    rank = int(os.environ.get("RANK", "0"))
    next(batches(training.start))
    note(storage, "waiting", training, rank)
    while not (asked() or storage.exists(f"asked/{training.stage}")):
        time.sleep(0.05)
    storage.write_json(f"asked/{training.stage}", True)
    note(storage, "saved", training, rank)
    if rank == 0:
        report({SAVED: 7})
    raise Interrupted("saved after step 7 to make room")


def fail_in_b_and_c(
    training: Training, storage: Storage, batches: Batches, report: Report, asked: Asked
) -> None:
    """Node `b` raises; `c` cannot be trained at all."""
    note(storage, "tried", training, int(os.environ.get("RANK", "0")))
    if training.stage == "b":
        raise FloatingPointError("the loss is NaN")
    if training.stage == "c" and os.environ.get("RANK", "0") == "0":
        raise InputError("shard 7", "it is damaged", "Restore it")
    if training.stage == "c":
        time.sleep(300)  # as a collective would that waits for the rank that failed
    read_all(training, storage, batches, report, asked)
