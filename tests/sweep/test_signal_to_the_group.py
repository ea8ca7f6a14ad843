"""A sweep on a real Ray of its own whose whole group of processes gets a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from raycl.storage import Storage
from tests.helpers import fake_loops
from tests.helpers.paths import ROOT

DRIVER = """
import sys
from tests.helpers import fake_loops, fakes
from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.storage import Storage
from raycl.sweep.driver import TrialSettings, run_sweep
try:
    with cluster(ClusterOptions(workers=3)):
        tree = fakes.make_tree([("a", None, 2), ("b", None, 1)])
        trials = TrialSettings(train=fake_loops.save_when_asked)
        run_sweep(tree, Storage(sys.argv[1]), trials=trials)
except KeyboardInterrupt as error:
    print(error)
"""


@pytest.mark.ray
def test_a_signal_to_the_whole_group_saves_every_node_and_leaves_nothing(storage: Storage) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, storage.url],
        # Nobody waits so long: the sweep ends when all have saved, on a busy machine a bit later.
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAYCL_STOP_SECONDS": "120"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while len(fake_loops.notes(storage, "waiting")) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    os.killpg(process.pid, signal.SIGTERM)  # both, as `timeout` does
    output, _ = process.communicate(timeout=120)
    assert re.fullmatch(
        r"Saved: [ab] \S+ \([ab]\) at step 7; [ab] \S+ \([ab]\) at step 7\.\n", output
    )
    assert fake_loops.notes(storage, "saved") == ["a", "a1", "b"]
    psutil.wait_procs(children, timeout=40)
    assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    assert not list(Path("/tmp").glob(f"raycl-{process.pid}-*"))
