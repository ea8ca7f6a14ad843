"""The real loop, which waits at one step until it is asked to leave; it runs in Ray's workers."""

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

GATE = 6
"""The step before which a node that is named at `gate/` waits."""


def train(
    training: Training, storage: Storage, batches: Batches, report: Report, asked: Asked
) -> None:
    """Train; rank 0 notes its process and, where the node has a gate, that it waits there."""
    from raycl.train import loop

    name, rank = training.chain.name(training.stop), int(os.environ.get("RANK", "0"))
    storage.write_bytes(f"notes/{name}+{rank}+{os.getpid()}+{uuid.uuid4().hex[:6]}", b"")

    def gated(first_step: int) -> Iterator[np.ndarray]:
        for step, rows in enumerate(batches(first_step), first_step):
            if rank == 0 and step == GATE and storage.exists(f"gate/{name}"):
                storage.write_bytes(f"waits/{name}", b"")
                while not asked():
                    time.sleep(0.05)
            yield rows

    loop.train(training, storage, gated, report, asked)


def processes(storage: Storage, name: str) -> set[tuple[str, str]]:
    """Rank and process of all that have trained a node."""
    notes = (note.split("+") for note in storage.list("notes"))
    return {(rank, process) for node, rank, process, _ in notes if node == name}
