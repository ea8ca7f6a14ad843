"""Two machines, then one, then two: `python -m tests.helpers.elastic_machines STORAGE FOLDER`."""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from raycl.plan.training import Training
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from tests.helpers import slow_loop
from tests.helpers.machines import start_machines, train_on
from tests.helpers.training_runs import make_task
from tests.helpers.waiting import wait_until

STEPS = 160
RAY = Path(sys.executable).parent / "ray"


def training(**fields: int) -> Training:
    """A node long enough for machines to come and go."""
    return make_task(stop=STEPS, steps=STEPS, rates=(1e-3, 1e-3), **fields)


def take_away_and_bring_back(storage: Storage, machines: Any) -> None:
    """With notice; the machine goes when the notice has been heeded."""
    machine = machines.worker_nodes.copy().pop()
    wait_for(storage, workers=2, steps=10)
    subprocess.run(
        [
            RAY,
            "drain-node",
            "--address",
            machines.address,
            "--node-id",
            machine.node_id,
            "--reason",
            "DRAIN_NODE_REASON_PREEMPTION",
            "--reason-message",
            "spot",
            "--deadline-remaining-seconds",
            "60",
        ],
        check=True,
    )
    wait_until(lambda: complete_states(storage), "the notice has been heeded")
    machines.remove_node(machine)
    wait_for(storage, workers=1, steps=10)
    machines.add_node(num_cpus=1)


def wait_for(storage: Storage, workers: int, steps: int) -> None:
    """Until so many have made so many steps together."""

    def made() -> bool:
        return sum(w == workers for _, w in slow_loop.steps_and_workers(storage)) >= steps

    wait_until(made, f"{workers} workers have made {steps} steps")


def main() -> None:
    """Train the tree meanwhile, and print what became of it."""
    storage = Storage(sys.argv[1])
    machines = start_machines(sys.argv[2], workers=2)
    atexit.register(machines.shutdown)
    threading.Thread(target=take_away_and_bring_back, args=(storage, machines), daemon=True).start()
    train_on(machines, storage, training(workers=2, fewest_workers=1))


if __name__ == "__main__":
    main()
