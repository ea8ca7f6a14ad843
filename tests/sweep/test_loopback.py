"""`raycl sweep` without an address is reachable from this machine alone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import psutil
import pytest

from raycl.storage import Storage
from tests.helpers.fakes import make_corpus
from tests.helpers.paths import ROOT
from tests.helpers.recipe_data import changed, write_recipe


def environment() -> dict[str, str]:
    """The variables of a user's shell, which lack what the tests' own process tells Ray."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def is_loopback(address: str) -> bool:
    found = ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def listening(root: psutil.Process) -> set[tuple[str, str]]:
    """Name and address of every server among a process and all that it started."""
    found = set()
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found |= {
                (process.name(), connection.laddr.ip)
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
    return found


@pytest.mark.ray
@pytest.mark.timeout(1200)  # it waits for the end of a sweep, which a busy machine delays
def test_all_servers_of_a_sweep_listen_on_loopback(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "runs")
    for name in ("old", "new"):
        make_corpus(storage, name)
    recipe = write_recipe(tmp_path, changed(1, workers=2))  # its second stage has a TorchTrainer
    command = [sys.executable, "-m", "raycl", "sweep", str(recipe), "--storage", storage.url]
    with (tmp_path / "output").open("w+") as output:
        process = subprocess.Popen(
            [*command, "--workers", "2"], env=environment(), stdout=output, stderr=output
        )
        found: set[tuple[str, str]] = set()
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                found |= listening(psutil.Process(process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        output.seek(0)
        assert process.returncode == 0, output.read()
    names = {name for name, _ in found}
    assert {"raylet", "gcs_server"} <= names, names
    assert "ray::RayTrainWorker" in names, names
    assert not {entry for entry in found if not is_loopback(entry[1])}


def test_ray_that_was_imported_too_early_is_refused() -> None:
    program = (
        "import ray\n"
        "from raycl.cluster.connect import cluster\n"
        "from raycl.cluster.options import ClusterOptions\n"
        "with cluster(ClusterOptions(workers=1)):\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "it was imported before raycl could confine it to this machine" in done.stderr
    assert "Set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0" in done.stderr
