"""Sweeps as jobs of a real head with token authentication, by Ray's command and by raycl's."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from raycl.states.lookup import complete_states
from raycl.storage import Storage
from tests.helpers.heads import RAY, Head, write_small_recipe
from tests.helpers.paths import ROOT
from tests.helpers.waiting import wait_until
from tests.helpers.wheel import install_wheel

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
SECRET = "planted-7f3a9c51"


def submit(head: Head, folder: Path, storage: Path, **environment: str) -> tuple[int, str]:
    """Exit code and output of `ray job submit` of a sweep from a working directory."""
    result = subprocess.run(
        [
            RAY,
            "job",
            "submit",
            "--address",
            head.address,
            "--working-dir",
            str(folder),
            "--",
            "python",
            "-m",
            "jobs.sweep",
            "my.yaml",
            "--storage",
            str(storage),
        ],
        env=head.environment | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return result.returncode, result.stdout + result.stderr


def working_directory(folder: Path) -> Path:
    """Fill a folder with the entry points, the package, and a recipe with documents of its own."""
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    shutil.copytree(ROOT / "raycl", folder / "raycl")
    write_small_recipe(folder)
    return folder


def test_a_sweep_as_a_job(head: Head, tmp_path: Path) -> None:
    folder, storage = working_directory(tmp_path / "work"), tmp_path / "storage"
    code, output = submit(head, folder, storage, RAY_AUTH_MODE="disabled", RAY_AUTH_TOKEN="")
    assert code != 0
    assert "uthentication" in output
    code, output = submit(head, folder, storage)
    assert code == 0, output
    assert "succeeded" in output
    table = pd.read_parquet(storage / "sweeps/job/results.parquet")
    assert list(table["status"]) == ["finished"]
    token = head.environment["RAY_AUTH_TOKEN"]
    assert token not in output
    written = [file for file in storage.rglob("*") if file.is_file()]
    assert not [file for file in written if token.encode() in file.read_bytes()]


@pytest.fixture(scope="module")
def user(head: Head, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> User:
    """Somebody who knows the token, has a secret, and has installed raycl's wheel."""
    folder = tmp_path_factory.mktemp("user")
    installed = install_wheel(wheel, folder / "installed")
    own = {
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "RAY_ADDRESS": "http://127.0.0.1:1",
        "PYTHONPATH": str(installed),
    }
    return User(head, head.environment | own)


@dataclass(frozen=True)
class User:
    """Somebody at their own machine, and the cluster that they submit jobs to."""

    head: Head
    environment: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        """The command line of `raycl` for this cluster."""
        return [sys.executable, "-m", "raycl", *arguments, "--address", self.head.address]

    def raycl(self, folder: Path, *arguments: str, **other: str) -> tuple[int, str]:
        """Exit code and output of the `raycl` command in a folder."""
        result = subprocess.run(
            self.command(*arguments),
            cwd=folder,
            env=self.environment | other,
            capture_output=True,
            text=True,
            timeout=600,
        )
        return result.returncode, result.stdout + result.stderr


def job_descriptions(head: Head) -> str:
    """Return what the cluster tells everybody who knows the token about all its jobs."""
    token = head.environment["RAY_AUTH_TOKEN"]
    request = urllib.request.Request(
        f"{head.address}/api/jobs/", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return str(answer.read().decode())


def interrupt(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, twice if the first is lost: Python drops one that arrives in a destructor."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=8)[0]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=240)[0]


def wait_until_running(head: Head, job: str) -> None:
    def runs() -> bool:
        found = {j["submission_id"]: j["status"] for j in json.loads(job_descriptions(head))}
        assert found[job] in ("PENDING", "RUNNING"), found
        return bool(found[job] == "RUNNING")

    wait_until(runs, f"job {job} runs", every=0.5)


def test_raycl_submit(head: Head, user: User, tmp_path: Path) -> None:
    """A job is submitted from a wheel, left, found again, followed to its end, and stopped.

    The user's secret never leaves the user's environment.
    """
    work, storage = tmp_path / "work", tmp_path / "storage"
    write_small_recipe(work, steps=300)  # so that it is still under way when it is left
    submit = ["submit", "my.yaml", "--storage", str(storage)]

    code, output = user.raycl(work, *submit, RAY_AUTH_TOKEN="wrong")
    assert (code, "~/.ray/auth_token" in output) == (2, True), output

    watching = subprocess.Popen(
        user.command(*submit),
        cwd=work,
        env=user.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert watching.stdout is not None
    line = watching.stdout.readline()
    assert line.startswith("submitted raysubmit_"), line
    job = line.split()[-1]
    wait_until_running(head, job)
    left = interrupt(watching)  # the terminal is left
    assert watching.returncode == 130
    assert f"raycl jobs stop {job}" in left

    code, output = user.raycl(work, *submit)
    assert code == 0, output
    assert f"already under way: {job}" in output
    assert f"job {job}: SUCCEEDED" in output
    assert len(complete_states(Storage(storage))) == 1
    assert list(pd.read_parquet(storage / "sweeps/job/results.parquet")["status"]) == ["finished"]

    code, text = user.raycl(work, "jobs", "logs", job, "--no-follow")
    assert code == 0
    assert "Report:" in text
    code, text = user.raycl(work, "jobs", "status", "nosuch")
    assert (code, job in text) == (2, True)

    code, text = user.raycl(
        work,
        *submit,
        "--set",
        "code.steps=1000000",
        "--set",
        "code.at_end=repeat",
        "--no-wait",
    )
    assert code == 0, text
    second = text.split()[-1]
    wait_until_running(head, second)
    assert "stopping" in user.raycl(work, "jobs", "stop", second)[1]
    code, text = user.raycl(work, "jobs", "logs", second)
    assert (code, f"job {second}: STOPPED" in text) == (1, True), text
    assert "STOPPED" in user.raycl(work, "jobs", "status", second)[1]

    descriptions = job_descriptions(head)
    assert second in descriptions
    token = head.environment["RAY_AUTH_TOKEN"]
    for text in (descriptions, output, left, user.raycl(work, "jobs", "list")[1]):
        assert SECRET not in text
        assert token not in text
    written = [f for place in (storage, head.folder) for f in place.rglob("*") if f.is_file()]
    assert len(written) > 20
    assert not [f for f in written if not f.is_symlink() and SECRET.encode() in f.read_bytes()]
