"""Measures how long nodes of two workers take to start, the first one and those after it.

    python -m benchmarks.start_up [--nodes 4] [--workers 2]

A chain of tiny nodes is trained by the real loop on an embedded cluster. A node is ready when its
parent is finished, begun when its last worker enters the loop, and reading with its first batch.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.data.ray_stream import Batches
from raycl.plan.training import Training
from raycl.plan.tree import Node, Tree
from raycl.storage import Storage
from raycl.sweep.events import SweepEvent
from raycl.sweep.worker import Asked, Report
from tests.helpers.training_runs import make_storage, make_task

STEPS = 4
"""Steps of a node."""


def train(
    training: Training, storage: Storage, batches: Batches, report: Report, asked: Asked
) -> None:
    """Train by the real loop, and note when it is entered and when the first batch is there."""
    _note(storage, "begun", training)
    from raycl.train import loop

    def noting(first_step: int) -> Iterator[np.ndarray]:
        for step, rows in enumerate(batches(first_step), first_step):
            if step == first_step:
                _note(storage, "reading", training)
            yield rows

    loop.train(training, storage, noting, report, asked)
    _note(storage, "ended", training)


def _note(storage: Storage, what: str, training: Training) -> None:
    storage.write_bytes(f"notes/{what}-{training.start}-{time.time():.3f}-{uuid.uuid4()}", b"")


def _noted(storage: Storage, what: str, start: int) -> float:
    """When the last worker of the node noted this."""
    parts = [name.split("-") for name in storage.list("notes")]
    return max(float(p[2]) for p in parts if p[0] == what and p[1] == str(start))


def measure(nodes: int, workers: int) -> None:
    """Train the chain, and print a line for each node."""
    # Ray's workers import this module and the tests' helpers.
    os.environ["PYTHONPATH"] = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory(prefix="raycl-start-up-") as folder:
        storage = make_storage(Path(folder))
        steps = nodes * STEPS
        tasks = [
            make_task(start=s, stop=s + STEPS, steps=steps, workers=workers)
            for s in range(0, steps, STEPS)
        ]
        names = [task.chain.name(task.stop) for task in tasks]
        parents = [None, *names[:-1]]
        tree = Tree(
            tuple(
                Node(name, parent, task, ("recipe",))
                for name, parent, task in zip(names, parents, tasks, strict=True)
            ),
            {},
        )
        finished: list[float] = []

        def heard(event: SweepEvent) -> None:
            if event.kind == "finished":
                finished.append(time.time())

        with cluster(ClusterOptions(workers=workers)):
            from raycl.sweep.driver import TrialSettings, run_sweep

            ready = time.time()
            run_sweep(tree, storage, on_event=heard, trials=TrialSettings(train=train))
            returned = time.time()
        for number, task in enumerate(tasks):
            begun, reading = (_noted(storage, w, task.start) for w in ("begun", "reading"))
            ended = _noted(storage, "ended", task.start)
            print(
                f"node {number}: ready to begun {begun - ready:.2f} s, to first batch "
                f"{reading - ready:.2f} s; last step to finished {finished[number] - ended:.2f} s"
            )
            ready = finished[number]
        print(f"last finished to the sweep's end {returned - ready:.2f} s")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    measure(given.nodes, given.workers)


if __name__ == "__main__":
    main()
