"""The command as people run it: from text to report, killed in three ways, and run again.

The undisturbed sweep works in a bucket and the disturbed one on the local disk, so that the same
bits at the end show both: that no kill and no kind of storage changes a result.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickletools
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
import yaml
from safetensors.torch import load

from raycl.storage import Storage
from tests.helpers.orphans import Orphans
from tests.helpers.paths import ROOT
from tests.helpers.report_page import snapshot_in
from tests.helpers.s3_server import SECRET_KEY, S3Server
from tests.helpers.sockets import is_loopback, listening
from tests.helpers.waiting import wait_until

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.timeout(1200)]

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
        {"name": "new", "steps": 24, "replay": "25%", "schedule": SCHEDULE},
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


def sweep(recipe: Path, storage: str) -> subprocess.Popen[str]:
    """`raycl sweep` in a session of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    command = [sys.executable, "-m", "raycl", "sweep", str(recipe)]
    return subprocess.Popen(
        [*command, "--storage", storage, "--workers", "2"],
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


@dataclass(frozen=True)
class Undisturbed:
    """A sweep that ended well in a bucket: its recipe, which reads its text there, and output."""

    recipe: Path
    storage: Storage
    output: str
    servers: frozenset[tuple[str, str]]
    """Name and address of each server among its processes, while it ran."""


@pytest.fixture(scope="module")
def undisturbed(
    recipe: Path, s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    bucket = s3.new_bucket()
    text, storage = Storage(f"s3://{bucket}/text"), Storage(f"s3://{bucket}/runs")
    in_bucket = with_text_in(text, recipe, tmp_path_factory.mktemp("bucket"))
    process = sweep(in_bucket, storage.url)
    servers: set[tuple[str, str]] = set()

    def watch() -> None:
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                servers.update(listening(psutil.Process(process.pid)))
            ended.wait(1)

    ended, watcher = threading.Event(), threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        output = finish(process)
    finally:
        ended.set()
        watcher.join()
    return Undisturbed(in_bucket, storage, output, frozenset(servers))


def test_all_servers_of_a_sweep_listen_on_loopback(undisturbed: Undisturbed) -> None:
    """It has a node of two workers, so that a TorchTrainer's servers are among them."""
    names = {name for name, _ in undisturbed.servers}
    assert {"raylet", "gcs_server", "ray::RayTrainWorker"} <= names, names
    assert not {entry for entry in undisturbed.servers if not is_loopback(entry[1])}


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


def results(storage: Storage) -> pd.DataFrame:
    table = pd.read_parquet(io.BytesIO(storage.read_bytes("sweeps/code/results.parquet")))
    assert list(table["status"]) == ["finished", "finished"]
    return table


def end_states(storage: Storage) -> dict[str, dict[str, torch.Tensor]]:
    """Tensors of every recipe's end state, by the state's name."""
    return {
        name: {
            f"{file}:{key}": tensor
            for file in storage.list(f"states/{name}")
            if file.endswith(".safetensors")
            for key, tensor in load(storage.read_bytes(f"states/{name}/{file}")).items()
        }
        for name in results(storage)["state"]
    }


def test_results_are_complete_and_a_second_run_trains_nothing(undisturbed: Undisturbed) -> None:
    storage, table = undisturbed.storage, results(undisturbed.storage)
    assert list(table["new.replay"]) == [0.0, 0.25]
    assert list(table["realised_replay"]) == [0.0, 0.25]
    losses = ["loss/old", "loss/new", "average", "forgetting/old", "adaptation/new"]
    assert table[losses].notna().all(axis=None)
    assert (table["loss/old"] < 6.3).all()  # ln 512 = 6.24 before it learned anything
    (shown,) = snapshot_in(storage.read_bytes("sweeps/code/report.html"))["sweeps"]
    assert [recipe["status"] for recipe in shown["recipes"]] == ["finished"] * 2
    assert f"Report: {storage.url}/sweeps/code/report.html" in undisturbed.output
    states = stored_names(storage)
    assert len(states) == 3  # the stage both share, trained once, and two branches
    assert "Nothing to train" in finish(sweep(undisturbed.recipe, storage.url))
    assert stored_names(storage) == states


def test_the_stores_secret_is_written_nowhere(undisturbed: Undisturbed) -> None:
    storage = undisturbed.storage
    assert SECRET_KEY not in undisturbed.output
    assert len(storage.sizes()) > 20
    assert not [p for p in storage.sizes() if SECRET_KEY.encode() in storage.read_bytes(p)]


def test_interrupted_and_killed_in_two_ways_it_gives_the_same_bits(
    recipe: Path, undisturbed: Undisturbed, tmp_path: Path, orphans: list[Orphans]
) -> None:
    """After SIGINT and after kill -9 of the driver, the same command is the recovery.

    SIGINT, to the whole group of processes as a terminal sends it, leaves nothing and says what to
    do, within ten seconds where the machine has processors for it; a killed worker is retried.
    """
    storage = Storage(tmp_path)
    process = sweep(recipe, storage.url)
    wait_until(
        lambda: states_while_running(storage, process, first_step=3), "step 3 is saved", every=0.05
    )
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    pressed = time.monotonic()
    output, _ = process.communicate(timeout=240)
    seconds = time.monotonic() - pressed
    assert process.returncode == 130, output
    assert seconds < 10 or os.getloadavg()[0] > (os.cpu_count() or 1), f"{seconds:.1f} s: {output}"
    assert "Run the same command again" in output
    Orphans(process.pid, children).assert_gone()

    killed = sweep(recipe, storage.url)
    wait_until(
        lambda: states_while_running(storage, killed, first_step=9), "step 9 is saved", every=0.05
    )
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.communicate()
    orphans.append(Orphans(killed.pid, children))

    begun = complete_states(storage)
    process = sweep(recipe, storage.url)
    # A worker of the killed driver may write one more state before it ends.
    wait_until(
        lambda: states_while_running(storage, process) - begun and trials(process),
        "it goes on",
        every=0.05,
    )
    assert kill_workers(process)
    assert "retried" in finish(process)
    assert_same_end_states(undisturbed.storage, storage)
    assert list(tmp_path.glob("sweeps/code/tensorboard/*/events.out.tfevents*"))
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and is_pickle(file)]


def is_pickle(file: Path) -> bool:
    """By its name, as opcodes of protocols 2 to 5 up to their end, or as an archive of one."""
    data = file.read_bytes()
    if file.suffix in (".pkl", ".pickle", ".pt"):
        return True
    if zipfile.is_zipfile(file):
        return any(name.endswith(".pkl") for name in zipfile.ZipFile(file).namelist())
    if data[:1] != b"\x80" or data[1:2] not in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return False
    try:
        # The header of a safetensors file may begin with the same bytes, and goes on otherwise.
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(data))
    except (ValueError, IndexError):
        return False


def trials(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of the trials of a running sweep."""
    children = psutil.Process(driver.pid).children(recursive=True)
    return [child for child in children if "ray::ImplicitFunc" in command_line(child)]


def kill_workers(driver: subprocess.Popen[str]) -> int:
    """End every trial of a running sweep with kill -9; how many there were."""
    workers = trials(driver)
    for worker in workers:
        worker.kill()
    return len(workers)


def command_line(process: psutil.Process) -> str:
    """Empty where the process has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def assert_same_end_states(undisturbed: Storage, storage: Storage) -> None:
    """Same names, and every tensor the same to the bit."""
    expected, found = end_states(undisturbed), end_states(storage)
    assert expected.keys() == found.keys()
    for name, tensors in expected.items():
        assert tensors
        assert tensors.keys() == found[name].keys()
        assert all(torch.equal(tensor, found[name][key]) for key, tensor in tensors.items())


def states_while_running(
    storage: Storage, process: subprocess.Popen[str], first_step: int = 0
) -> set[str]:
    """Complete states of at least so many steps while the sweep runs, which it must."""
    assert process.poll() is None, process.communicate()[0]
    names = complete_states(storage)
    return {name for name in names if int(name.partition("-")[0]) >= first_step}


def stored_names(storage: Storage) -> set[str]:
    """Names of all states of which anything is stored; a bucket may list empty folders for long."""
    return {path.partition("/")[0] for path in storage.sizes("states")}


def complete_states(storage: Storage) -> set[str]:
    names = storage.list("states")
    return {name for name in names if storage.exists(f"states/{name}/state.json")}


def test_a_damaged_shard_is_named_before_ray_starts(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    damaged = Storage(tmp_path)
    for path in undisturbed.storage.sizes("corpora"):
        damaged.write_bytes(f"corpora/{path}", undisturbed.storage.read_bytes(f"corpora/{path}"))
    shard = next(tmp_path.glob("corpora/new/train/*/00000.npy"))
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)
    process = sweep(undisturbed.recipe, str(tmp_path))
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 2
    assert "00000.npy" in output
    assert "Starting Ray" not in output
