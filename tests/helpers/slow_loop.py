"""The real loop, slowed down, with a note of each step; it runs in Ray's workers."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator

import numpy as np

from raycl.data.ray_stream import Batches
from raycl.plan.training import Training
from raycl.storage import Storage
from raycl.sweep.worker import Asked, Report

STEP_SECONDS = 0.2


def train(
    training: Training, storage: Storage, batches: Batches, report: Report, asked: Asked
) -> None:
    """Train, and let rank 0 note each step that it begins, with the number of workers."""
    from raycl.train import loop

    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))

    def slow(first_step: int) -> Iterator[np.ndarray]:
        for step, rows in enumerate(batches(first_step), first_step):
            if rank == 0:
                storage.write_bytes(f"notes/{time.time():.3f}-{step}-{world}-{uuid.uuid4()}", b"")
            time.sleep(STEP_SECONDS)
            yield rows

    loop.train(training, storage, slow, report, asked)


def steps_and_workers(storage: Storage) -> list[tuple[int, int]]:
    """(step, workers) of every step begun, in the order of time."""
    notes = sorted(storage.list("notes"), key=lambda name: float(name.split("-")[0]))
    return [(int(name.split("-")[1]), int(name.split("-")[2])) for name in notes]
