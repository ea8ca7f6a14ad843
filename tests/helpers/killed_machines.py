"""A node of two workers on two machines, whose processes are killed: run with `python -m`.

The variable RAYCL_TEST_KILLS names the processes, with commas between them.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import psutil

from raycl.plan.training import Training
from raycl.storage import Storage
from tests.helpers import slow_loop
from tests.helpers.machines import start_machines, train_on
from tests.helpers.training_runs import make_task
from tests.helpers.waiting import wait_until

STEPS, SAVE_EVERY, STEPS_BEFORE_A_KILL = 60, 4, 6
CONTROLLER, WORKER, TRIAL, RAYLET = (
    "TrainController",
    "RayTrainWorker",
    "ray::ImplicitFunc",
    "raylet",
)
"""Train's controller, one of its two workers, the trial that drives them, a machine's raylet."""


def training(stop: int = STEPS) -> Training:
    """Two workers, with a state every few steps."""
    return make_task(stop=stop, steps=STEPS, workers=2, save_every=SAVE_EVERY)


def kill_in_turn(storage: Storage, machines: Any, titles: Sequence[str]) -> None:
    """Kill each as soon as some steps have been made since the one before."""
    steps = slow_loop.steps_and_workers
    for title in titles:
        enough = len(steps(storage)) + STEPS_BEFORE_A_KILL
        wait_until(
            lambda enough=enough: len(steps(storage)) >= enough,  # type: ignore[misc]
            f"{STEPS_BEFORE_A_KILL} steps are made before {title} is killed",
            every=0.05,
        )
        storage.write_json(f"killed/{time.time():.3f}", title)
        if title == RAYLET:
            machine = machines.worker_nodes.copy().pop()
            os.kill(machine.all_processes["raylet"][0].process.pid, signal.SIGKILL)
            machines.remove_node(machine, allow_graceful=False)  # its other processes
            machines.add_node(num_cpus=1)
        else:
            kill(title)


def kill(title: str) -> None:
    """Kill -9 of one process that calls itself so."""
    for process in psutil.process_iter(["cmdline", "environ"]):
        environment, command = process.info["environ"] or {}, process.info["cmdline"] or []
        ours = environment.get("RAY_TMPDIR") == os.environ["RAY_TMPDIR"]
        if ours and title in " ".join(command):
            process.kill()
            return
    raise AssertionError(f"no process {title}")


def main() -> None:
    """Train the tree under kills, and print what became of it."""
    storage = Storage(sys.argv[1])
    machines = start_machines(sys.argv[2], workers=2)
    atexit.register(machines.shutdown)
    titles = os.environ["RAYCL_TEST_KILLS"].split(",")
    threading.Thread(target=kill_in_turn, args=(storage, machines, titles), daemon=True).start()
    train_on(machines, storage, training())


if __name__ == "__main__":
    main()
