"""The command as people run it: from text to report, killed with -9, and run again."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
import yaml
from safetensors.torch import load

from raycl.storage import Storage
from tests.helpers.paths import ROOT
from tests.helpers.s3_server import SECRET_KEY, S3Server

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1200)]

SCHEDULE = {"kind": "cosine", "max_lr": "1e-3"}
RECIPE = {
    "name": "code",
    "seed": 3,
    "model": {"preset": "gpt-neox-tiny"},
    "tokenizer": {"train": {"vocabulary": 512, "sample_bytes": 200_000}},
    "sequence_length": 32,
    "global_batch": 8,
    "stages": [
        {"name": "old", "steps": 8, "schedule": SCHEDULE, "workers": 2},
        {"name": "new", "steps": 12, "replay": "25%", "schedule": SCHEDULE},
    ],
    "validation": {"every": 4, "rows": 8},
    "execution": {"save_every": 3},
    "sweep": {"new.replay": ["0%", "25%"]},
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe over two packages of the standard library."""
    library = Path(sysconfig.get_paths()["stdlib"])
    corpora = {"old": f"{library}/email/*.py", "new": f"{library}/asyncio/*.py"}
    folder = tmp_path_factory.mktemp("recipe")
    for name, pattern in corpora.items():
        for file in sorted(Path("/").glob(pattern[1:])):
            target = folder / name / f"{file.stem}.txt"
            target.parent.mkdir(exist_ok=True)
            target.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    data = {
        **RECIPE,
        "corpora": {n: {"text": f"{folder}/{n}/*.txt", "validation": "20%"} for n in corpora},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def sweep(recipe: Path, storage: Path | str) -> subprocess.Popen[str]:
    """`raycl sweep` in a session of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "raycl",
            "sweep",
            str(recipe),
            "--storage",
            str(storage),
            "--workers",
            "2",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=environment | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Its output, when it has ended well."""
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def undisturbed(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    storage = tmp_path_factory.mktemp("undisturbed")
    finish(sweep(recipe, storage))
    return storage


@dataclass
class Gone:
    """A driver that was killed, and the processes it had."""

    pid: int
    children: list[psutil.Process]


@pytest.fixture(scope="module")
def gone() -> list[Gone]:
    return []


def end_states(storage: Storage) -> dict[str, dict[str, torch.Tensor]]:
    """Tensors of every recipe's end state, by the state's name."""
    table = pd.read_parquet(io.BytesIO(storage.read_bytes("sweeps/code/results.parquet")))
    assert list(table["status"]) == ["finished", "finished"]
    return {
        name: {
            f"{file}:{key}": tensor
            for file in storage.list(f"states/{name}")
            if file.endswith(".safetensors")
            for key, tensor in load(storage.read_bytes(f"states/{name}/{file}")).items()
        }
        for name in table["state"]
    }


def test_results_are_complete_and_a_second_run_trains_nothing(
    recipe: Path, undisturbed: Path
) -> None:
    table = pd.read_parquet(undisturbed / "sweeps/code/results.parquet")
    assert list(table["status"]) == ["finished", "finished"]
    assert list(table["new.replay"]) == [0.0, 0.25]
    assert list(table["realised_replay"]) == [0.0, 0.25]
    losses = ["loss/old", "loss/new", "average", "forgetting/old", "adaptation/new"]
    assert table[losses].notna().all(axis=None)
    assert (table["loss/old"] < 6.3).all()  # ln 512 = 6.24 before it learned anything
    page = (undisturbed / "sweeps/code/report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    states = sorted((undisturbed / "states").iterdir())
    assert len(states) == 3  # the stage both share, trained once, and two branches
    output = finish(sweep(recipe, undisturbed))
    assert "Nothing to train" in output
    assert sorted((undisturbed / "states").iterdir()) == states


def test_interrupted_then_killed_and_run_again_gives_the_same_bits(
    recipe: Path, undisturbed: Path, tmp_path: Path, gone: list[Gone]
) -> None:
    """SIGINT leaves nothing and says what to do; after kill -9 the same command is the recovery."""
    process = sweep(recipe, tmp_path)
    wait_for_state(Storage(tmp_path), process, first_step=3)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "Run the same command again" in output
    _, alive = psutil.wait_procs(children, timeout=40)
    assert not alive
    assert not list(Path("/tmp").glob(f"raycl-{process.pid}-*"))

    process = sweep(recipe, tmp_path)
    wait_for_state(Storage(tmp_path), process, first_step=9)
    gone.append(Gone(process.pid, psutil.Process(process.pid).children(recursive=True)))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finish(sweep(recipe, tmp_path))
    assert_same_end_states(Storage(undisturbed), Storage(tmp_path))


@pytest.mark.s3
def test_in_a_bucket_and_with_a_worker_killed_the_same_bits(
    recipe: Path, undisturbed: Path, tmp_path: Path, s3: S3Server
) -> None:
    """Raw text, shards, states, results and report in a bucket; the secret is in none of them."""
    bucket = s3.new_bucket()
    text, storage = Storage(f"s3://{bucket}/text"), Storage(f"s3://{bucket}/runs")
    process = sweep(with_text_in(text, recipe, tmp_path), storage.url)
    wait_for_state(storage, process, first_step=11)
    workers = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "ray::ImplicitFunc" in " ".join(child.cmdline())
    ]
    assert workers
    for worker in workers:
        worker.kill()
    output = finish(process)
    assert "retried" in output
    assert_same_end_states(Storage(undisturbed), storage)
    assert b"<svg" in storage.read_bytes("sweeps/code/report.html")
    assert f"Report: {storage.url}/sweeps/code/report.html" in output
    assert SECRET_KEY not in output
    assert not [p for p in storage.sizes() if SECRET_KEY.encode() in storage.read_bytes(p)]
    assert "Nothing to train" in finish(sweep(tmp_path / "recipe.yaml", storage.url))


def with_text_in(text: Storage, recipe: Path, folder: Path) -> Path:
    """The recipe over the same text, copied to another storage."""
    data = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    for name, corpus in data["corpora"].items():
        for file in sorted((recipe.parent / name).glob("*.txt")):
            text.write_bytes(f"{name}/{file.name}", file.read_bytes())
        corpus["text"] = text.full_path(f"{name}/*.txt")
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def assert_same_end_states(undisturbed: Storage, storage: Storage) -> None:
    """Same names, and every tensor the same to the bit."""
    expected, found = end_states(undisturbed), end_states(storage)
    assert expected.keys() == found.keys()
    for name, tensors in expected.items():
        assert tensors
        assert tensors.keys() == found[name].keys()
        assert all(torch.equal(tensor, found[name][key]) for key, tensor in tensors.items())


def wait_for_state(storage: Storage, process: subprocess.Popen[str], first_step: int) -> str:
    """Name of the first complete state of at least so many steps."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        for name in storage.list("states"):
            deep = int(name.partition("-")[0]) >= first_step
            if deep and storage.exists(f"states/{name}/state.json"):
                return name
        time.sleep(0.05)
    raise AssertionError(f"no state of {first_step} steps: {process.communicate()[0]}")


def test_a_damaged_shard_is_named_before_ray_starts(
    recipe: Path, undisturbed: Path, tmp_path: Path
) -> None:
    shutil.copytree(undisturbed / "corpora", tmp_path / "corpora")
    shard = tmp_path / "corpora/new/train/00000.npy"
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)
    process = sweep(recipe, tmp_path)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "00000.npy" in output
    assert "Starting Ray" not in output


def test_a_killed_drivers_cluster_is_gone_by_itself(gone: list[Gone]) -> None:
    """The last test: Ray's agents notice the death of their node after about two minutes."""
    for driver in gone:
        _, alive = psutil.wait_procs(driver.children, timeout=200)
        assert not alive
        assert not list(Path("/tmp").glob(f"raycl-{driver.pid}-*"))
