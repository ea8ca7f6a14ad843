"""An embedded cluster whose dashboard does not come up in time gets one more chance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raycl.cluster import connect, scratch
from raycl.cluster.options import ClusterOptions
from raycl.cluster.start import NoDashboardError
from tests.helpers.paths import ROOT

# Ray gives the first dashboard no time at all, and the second one its usual minute.
HASTY = """
from pathlib import Path
from ray._private import ray_constants
from raycl.cluster import connect, start
from raycl.cluster.options import ClusterOptions

usual, folders = ray_constants.RAY_DASHBOARD_STARTUP_TIMEOUT_S, []

def hasty(folder, **arguments):
    ray_constants.RAY_DASHBOARD_STARTUP_TIMEOUT_S = usual if folders else 0
    folders.append(folder)
    start.start_ray(folder, **arguments)

connect.start_ray = hasty
with connect.cluster(ClusterOptions(workers=1)):
    import ray
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    left = [command for command in commands if folders[0].encode() in command]
    print(len(folders), left, int(ray.cluster_resources()["CPU"]), Path(folders[0]).exists())
"""


@pytest.mark.ray
def test_a_dashboard_that_is_late_is_started_once_more() -> None:
    environment = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", HASTY], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 [] 1 False"
    assert "Once more" in done.stderr


def test_the_second_failure_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[str] = []

    def late(folder: str, **_: Any) -> None:
        folders.append(folder)
        raise NoDashboardError("Ray on this machine", "late", "Wait")

    monkeypatch.setattr(connect, "start_ray", late)
    with pytest.raises(NoDashboardError, match="late"), connect.cluster(ClusterOptions()):
        pass
    assert len(set(folders)) == 2
    assert not any(Path(folder).exists() for folder in folders)


def test_processes_of_a_folder_are_ended_and_no_others(tmp_path: Path) -> None:
    sleep = "import time; time.sleep(60)"
    started = [
        subprocess.Popen([sys.executable, "-c", sleep, str(tmp_path / name)]) for name in "ab"
    ]
    try:
        scratch.end_processes(str(tmp_path / "a"))
        assert started[0].wait(60) < 0
        assert started[1].poll() is None
    finally:
        for process in started:
            process.kill()
            process.wait()
