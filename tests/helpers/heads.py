"""A real head with its token authentication on, and a small recipe to run there."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from raycl.cluster.connect import free_port
from tests.helpers.paths import ROOT
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

RAY = Path(sys.executable).parent / "ray"


@dataclass(frozen=True)
class Head:
    """A cluster's head on loopback, and the environment of those who know its token."""

    address: str
    environment: dict[str, str]
    folder: Path
    """Ray's sessions: logs and packages."""


@contextmanager
def start_head(*arguments: str, port: int | None = None, **variables: str) -> Iterator[Head]:
    """`ray start --head` on loopback, ended with all its processes."""
    folder = tempfile.mkdtemp(prefix="rj-", dir="/tmp")
    dashboard, agent = free_port(), free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "OMP_NUM_THREADS": "1",
        # Ray would give up after a minute, which a busy machine may need.
        "RAY_DASHBOARD_STARTUP_TIMEOUT_S": str(int(PATIENCE_SECONDS)),
        # A job's `python` is the one that its cluster finds.
        "PATH": f"{RAY.parent}{os.pathsep}{os.environ['PATH']}",
    }
    process = subprocess.Popen(
        [
            RAY,
            "start",
            "--head",
            "--block",
            f"--port={port or free_port()}",
            "--node-ip-address=127.0.0.1",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={dashboard}",
            f"--dashboard-agent-listen-port={agent}",
            f"--ray-client-server-port={free_port()}",
            f"--temp-dir={folder}",
            *arguments,
        ],
        env=environment | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{dashboard}"
        wait_until(lambda: answers(address), "the head's dashboard answers", every=0.5)
        begins = f"http://127.0.0.1:{agent}"
        wait_until(lambda: answers(begins), "the agent that begins jobs answers", every=0.5)
        yield Head(address, environment, Path(folder))
    finally:
        process.terminate()
        try:
            process.wait(5)  # it does not always end by itself
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def answers(address: str) -> bool:
    """Whether the dashboard answers, were it only to ask for the token."""
    try:
        urllib.request.urlopen(f"{address}/api/version", timeout=30)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def write_small_recipe(folder: Path, steps: int = 4) -> Path:
    """`my.yaml` over documents of its own in `text/`, named by relative paths."""
    texts = folder / "text"
    texts.mkdir(parents=True)
    sources = [*(ROOT / "raycl/recipe").glob("*.py"), *(ROOT / "raycl/results").rglob("*.py")]
    for file in sources:
        shutil.copy(file, texts / f"{file.stem}.txt")
    recipe = {
        "name": "job",
        "model": {"preset": "gpt-neox-tiny"},
        "tokenizer": {"train": {"vocabulary": 512, "sample_bytes": 200_000}},
        "sequence_length": 32,
        "global_batch": 8,
        "corpora": {"code": {"text": "text/*.txt", "validation": "20%"}},
        "stages": [
            {
                "name": "code",
                "steps": steps,
                "at_end": "repeat",
                "schedule": {"kind": "cosine", "max_lr": "1e-3"},
            },
        ],
        "validation": {"rows": 8},
    }
    path = folder / "my.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path
