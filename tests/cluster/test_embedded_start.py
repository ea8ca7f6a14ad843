"""An embedded cluster whose dashboard does not come up in time gets one more chance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raycl.cluster import scratch
from raycl.cluster.start import SlowStartError, start_ray
from raycl.errors import InputError
from tests.helpers.paths import ROOT

# Ray gives the first dashboard no time at all, and the second one its usual minute, or none either.
HASTY = """
import os, signal, sys, time
from pathlib import Path
from ray._private import ray_constants
from raycl.cluster import connect, start
from raycl.cluster.interruption import Interruption
from raycl.cluster.options import ClusterOptions

usual, folders = ray_constants.RAY_DASHBOARD_STARTUP_TIMEOUT_S, []

def hasty(folder, **arguments):
    again = folders and sys.argv[1] == 'late'
    ray_constants.RAY_DASHBOARD_STARTUP_TIMEOUT_S = usual if again else 0
    folders.append(folder)
    start.start_ray(folder, **arguments)

connect.start_ray = hasty
try:
    with connect.cluster(ClusterOptions(workers=1)):
        import ray
        commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
        left = [command for command in commands if folders[0].encode() in command]
        print(len(folders), left, int(ray.cluster_resources()["CPU"]), Path(folders[0]).exists())
        os.kill(os.getpid(), signal.SIGTERM)  # Ray's own handler would exit with 15
        time.sleep(60)
except Interruption as end:
    print(end.code)
"""


def start(dashboard: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: this one may be connected to the session's cluster."""
    environment = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PYTHONPATH": str(ROOT)}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, "-c", HASTY, dashboard]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.ray
def test_a_dashboard_that_is_late_is_started_once_more() -> None:
    done = start("late")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["2 [] 1 False", "143"]
    assert "Once more" in done.stderr


@pytest.mark.ray
def test_the_second_failure_is_an_error() -> None:
    done = start("never")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("raycl.cluster.start.SlowStartError: Ray on this machine: it did not")
    assert done.stderr.count("Once more") == 1


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("The current node timed out during startup. This could happen because …", SlowStartError),
        ("Failed to start the dashboard", SlowStartError),
        ("No space left on device", InputError),
    ],
)
def test_want_of_time_is_told_from_other_failures(
    said: str, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise Exception(said)

    monkeypatch.setattr("ray.init", fail)
    with pytest.raises(InputError) as raised:
        start_ray(str(tmp_path))
    assert type(raised.value) is kind


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
