"""A sweep that asks for more than the head has: machines come, train, and go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from raycl.cluster.connect import free_port
from tests.helpers import fake_loops
from tests.helpers.heads import start_head
from tests.helpers.paths import ROOT
from tests.helpers.pipeline import prepared_storage

HEAD_NODE = "f" * 51 + "00000"
SWEEP = """
import os, sys, threading, time
from raycl.cluster.capacity import cluster_capacity
from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.cluster.worker_needs import WorkerNeeds
from raycl.storage import Storage
from raycl.sweep.driver import TrialSettings, run_sweep
import ray
from tests.helpers import fake_loops, fakes
from tests.helpers.waiting import wait_until

def cpus():
    return int(ray.cluster_resources().get("CPU", 0))

with cluster(ClusterOptions(sys.argv[2])):
    print("holds", cluster_capacity(WorkerNeeds()).workers(WorkerNeeds()), flush=True)
    seen = [cpus()]
    def watch():
        while True:
            if cpus() != seen[-1]:
                seen.append(cpus())
            time.sleep(0.2)
    threading.Thread(target=watch, daemon=True).start()
    tree = fakes.make_tree([("a", None, 2), ("b", "a", 1), ("c", "a", 1)])
    outcome = run_sweep(
        tree, Storage(sys.argv[1]), trials=TrialSettings(train=fake_loops.read_all)
    )
    print("finished", *outcome.finished, flush=True)
    wait_until(lambda: not cpus(), "the machines are gone")
    wait_until(lambda: not seen[-1], "the other thread has seen it")
    print("cpus", *seen, flush=True)
"""


@pytest.mark.ray
@pytest.mark.machines
def test_machines_come_train_and_go(tmp_path: Path) -> None:
    storage = prepared_storage(tmp_path / "storage")
    port = free_port()
    config = tmp_path / "autoscaling.json"
    config.write_text(json.dumps(autoscaling(f"127.0.0.1:{port}")))
    with start_head(
        "--num-cpus=0",
        f"--autoscaling-config={config}",
        port=port,
        RAY_FAKE_CLUSTER="1",
        AUTOSCALER_UPDATE_INTERVAL_S="1",
        RAY_enable_autoscaler_v2="1",
        RAY_CLOUD_INSTANCE_ID=HEAD_NODE,
        RAY_OVERRIDE_NODE_ID_FOR_TESTING=HEAD_NODE,
    ) as head:
        result = subprocess.run(
            [sys.executable, "-c", SWEEP, storage.url, f"127.0.0.1:{port}"],
            env=head.environment | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=560,
        )
    assert "finished a b c\n" in result.stdout or "finished a c b\n" in result.stdout, result
    assert "holds 2\n" in result.stdout  # which its autoscaler's file says
    assert fake_loops.notes(storage, "trained") == ["a", "a1", "b", "c"]
    cpus = result.stdout.partition("cpus ")[2].split()
    assert (cpus[0], cpus[-1]) == ("0", "0"), cpus
    assert "2" in cpus


def autoscaling(address: str) -> dict[str, object]:
    """Ray's local provider, whose machines are raylets of one CPU, idle for three seconds."""
    return {
        "cluster_name": "fake",
        "max_workers": 2,
        "idle_timeout_minutes": 0.05,
        "upscaling_speed": 10.0,
        "provider": {
            # Named as somebody else's: Ray's wheel lacks the defaults of its own fake provider.
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "gcs_address": address,
            "head_node_id": HEAD_NODE,
            "launch_multiple": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {
                "resources": {"CPU": 1},
                "node_config": {},
                "min_workers": 0,
                "max_workers": 2,
            },
        },
        "head_node_type": "ray.head.default",
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        "initialization_commands": [],
        "setup_commands": [],
        "head_setup_commands": [],
        "worker_setup_commands": [],
        "head_start_ray_commands": [],
        "worker_start_ray_commands": [],
    }
