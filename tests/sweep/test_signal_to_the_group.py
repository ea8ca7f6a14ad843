"""A sweep on a real Ray of its own whose whole group of processes gets a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from raycl.storage import Storage
from tests.helpers import fake_loops
from tests.helpers.paths import ROOT
from tests.helpers.pipeline import prepared_storage
from tests.helpers.waiting import wait_until, wait_until_ended

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


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return prepared_storage(tmp_path / "storage")


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

    def all_wait_or_ended() -> bool:
        return len(fake_loops.notes(storage, "waiting")) == 3 or process.poll() is not None

    wait_until(all_wait_or_ended, "all three workers are waiting", seconds=600)
    assert process.poll() is None, "it ended before its nodes were trained"
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    os.killpg(process.pid, signal.SIGTERM)  # both, as `timeout` does
    output, _ = process.communicate(timeout=300)
    assert re.fullmatch(
        r"Saved: [ab] \S+ \([ab]\) at step 7; [ab] \S+ \([ab]\) at step 7\.\n", output
    )
    assert fake_loops.notes(storage, "saved") == ["a", "a1", "b"]
    wait_until_ended(children)
    assert not list(Path("/tmp").glob(f"raycl-{process.pid}-*"))
