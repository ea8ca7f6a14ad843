"""Several raylets on this machine, as if they were machines, in a process of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from raycl.cluster.connect import cluster, free_port
from raycl.cluster.options import ClusterOptions
from raycl.cluster.release import held_placement_groups, living_actors
from raycl.plan.training import Training
from raycl.plan.tree import Node, Tree
from raycl.storage import Storage
from tests.helpers import slow_loop
from tests.helpers.paths import ROOT


def start_machines(folder: str, workers: int) -> Any:
    """A `ray.cluster_utils.Cluster`: a head that trains nothing, and machines of one CPU each."""
    from ray.cluster_utils import Cluster

    # A node that ends with this process can be added by its main thread alone.
    machines = Cluster(
        initialize_head=True,
        shutdown_at_exit=False,
        head_node_args={
            "num_cpus": 0,
            "temp_dir": folder,
            "include_dashboard": True,
            "dashboard_port": free_port(),
        },
    )
    for _ in range(workers):
        machines.add_node(num_cpus=1)
    return machines


def train_on(machines: Any, storage: Storage, task: Training) -> None:
    """Train one node there by the slow loop, and print what became of it and what is held."""
    from raycl.sweep.driver import TrialSettings, run_sweep

    with cluster(ClusterOptions(machines.address)):
        node = Node(task.chain.name(task.stop), None, task, ("recipe",))
        outcome = run_sweep(
            Tree((node,), {}),
            storage,
            on_event=lambda event: print(event.kind, event.reason, flush=True),
            trials=TrialSettings(train=slow_loop.train),
        )
        print("outcome", len(outcome.finished), outcome.failed, flush=True)
        print("held", held_placement_groups(), living_actors(), flush=True)


def run_on_machines(module: str, storage: str, seconds: float = 560, **environment: str) -> str:
    """What `python -m MODULE STORAGE FOLDER` prints; all that it started is ended with it."""
    with tempfile.TemporaryDirectory(prefix="raycl-t-", dir="/tmp") as short:
        variables = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        # Cluster writes its address where `ray.init("auto")` looks: not where others do.
        variables["RAY_TMPDIR"] = short
        Path(short, "ray").mkdir()
        variables["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        variables["PYTHONPATH"] = str(ROOT)
        process = subprocess.Popen(
            [sys.executable, "-m", module, storage, short],
            env=variables | environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=ROOT,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return output
