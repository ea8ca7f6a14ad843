"""A disk that fills up while states are written, and bytes that flip in stored ones."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from raycl.errors import InputError
from raycl.plan.training import Training
from raycl.states.inventory import stored_states
from raycl.storage import Storage, layout
from raycl.train.loop import train
from tests.helpers.paths import ROOT
from tests.helpers.training_runs import make_batches, make_storage, make_task, run
from tests.helpers.waiting import wait_until

NAMESPACE = ["unshare", "-rm"]
PAGE = 4096


def end_tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {
        name: tensor
        for file in sorted(folder.glob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


def assert_same(one: Path, other: Path) -> None:
    """Every tensor the same to the bit."""
    expected, found = end_tensors(one), end_tensors(other)
    assert expected
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def state_folder(storage: Storage, step: int) -> Path:
    return Path(storage.full_path(f"states/{make_task().chain.name(step)}"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the state after six steps."""
    storage = make_storage(tmp_path_factory.mktemp("undisturbed"))
    run(storage)
    return state_folder(storage, 6)


def disk_sizes(folder: Path) -> list[int]:
    """Sizes in kB of the disks that fill up at each place where a state can be cut off.

    In turn: in the first state's weights, at its history, at its mark, in the second state, and in
    the third. A file takes whole pages of such a disk, and a folder none.
    """
    storage = make_storage(folder)
    base = kilobytes(folder.rglob("*"))
    run(storage, stop=1)
    # Only the end of a node has losses of single rows, and the states that are cut off are none.
    files = [file for file in state_folder(storage, 1).iterdir() if file.name != layout.STATE_ROWS]
    weights, tables = (
        kilobytes(file for file in files if file.suffix == suffix)
        for suffix in (".safetensors", ".parquet")
    )
    whole = kilobytes(files)
    first = [weights // 2, weights, weights + tables]
    return [base + size for size in (*first, whole * 3 // 2, whole * 5 // 2)]


def kilobytes(files: Iterable[Path]) -> int:
    """What the files take of a disk that is divided into pages."""
    pages = (math.ceil(file.stat().st_size / PAGE) for file in files if file.is_file())
    return sum(pages) * PAGE // 1024


def can_mount() -> bool:
    try:
        probe = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False)
    except FileNotFoundError:
        return False
    return probe.returncode == 0


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path, undisturbed: Path) -> None:
    """The error names the place, nothing half-written counts, and a rerun gives the same bits."""
    if not can_mount():
        pytest.skip("no file system can be mounted here, not even in a user namespace")
    sizes = disk_sizes(tmp_path / "measured")
    disk, copies = tmp_path / "disk", tmp_path / "copies"
    disk.mkdir()
    copies.mkdir()
    done = subprocess.run(
        [
            *NAMESPACE,
            sys.executable,
            "-m",
            "tests.helpers.disk_full",
            str(disk),
            str(copies),
            *map(str, sizes),
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) == len(sizes)
    failed_in = []
    for size, outcome in zip(sizes, outcomes, strict=True):
        assert "No space left on device" in outcome["error"]
        place = outcome["error"].partition(str(disk))[2]
        failed_in.append(place.strip("'").rpartition(".")[2])
        assert place.startswith("/storage/states/00000000")
        assert outcome["partial"] == 0
        assert outcome["again"] == 6 - max(outcome["complete"], default=0)
        assert_same(undisturbed, copies / f"{size}")
    assert failed_in[:3] == ["safetensors", "parquet", "json"]
    assert [len(outcome["complete"]) for outcome in outcomes] == [0, 0, 0, 1, 2]


def flip(file: Path, place: int) -> None:
    """One bit of one byte."""
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def damaged_files(storage: Storage) -> list[tuple[Path, int]]:
    """A byte in the weights, in AdamW's state, in the history, and in numbers of state.json."""
    folder = state_folder(storage, 3)
    (shard,) = folder.glob("*.safetensors")
    data = shard.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    tensors = json.loads(data[8:begin])
    weights = next(facts for name, facts in tensors.items() if name.startswith("model."))
    adam = next(facts for name, facts in tensors.items() if name.startswith("optimizer."))
    mark = (folder / "state.json").read_bytes()
    return [
        *((shard, begin + facts["data_offsets"][0]) for facts in (weights, adam)),
        (folder / "history.parquet", 40),
        *(
            (folder / "state.json", mark.index(key) + len(key))
            for key in (b'"optimizer_steps": ', b'"step": ', b'"previous_step": ')
        ),
    ]


@pytest.mark.parametrize("which", range(6))
def test_a_flipped_byte_in_a_state(tmp_path: Path, undisturbed: Path, which: int) -> None:
    """Named before a step is trained; without the state, training gives the same bits again."""
    storage = make_storage(tmp_path)
    run(storage, stop=2)
    task = make_task(save_every=3)
    stop_at_four(task, storage)
    file, place = damaged_files(storage)[which]
    flip(file, place)
    with pytest.raises(InputError, match="Remove this state's folder and run again") as caught:
        train(task, storage, make_batches(task, storage), lambda _: None)
    assert str(file) in caught.value.where
    assert "checksum" in caught.value.problem
    assert not (state_folder(storage, 6) / "state.json").exists()
    for left in state_folder(storage, 3).iterdir():
        left.unlink()
    assert run(storage, save_every=3)[-1]["optimizer_steps"] == 4  # from the state after two
    assert_same(undisturbed, state_folder(storage, 6))


class Stopped(Exception):
    """In place of a batch."""


def stop_at_four(task: Training, storage: Storage) -> None:
    """Leave an intermediate state of three steps."""
    mark = f"states/{task.chain.name(3)}/state.json"

    def batches(first: int) -> Iterator[np.ndarray]:
        for step, rows in enumerate(make_batches(task, storage)(first), first):
            if step == 4:
                wait_until(lambda: storage.exists(mark), "the state is written in the background")
                raise Stopped
            yield rows

    with pytest.raises(Stopped):
        train(task, storage, batches, lambda _: None)


def test_a_state_of_before_has_no_checksum_in_its_mark(tmp_path: Path) -> None:
    storage = make_storage(tmp_path)
    run(storage, stop=2)
    file = state_folder(storage, 2) / "state.json"
    mark = json.loads(file.read_text())
    del mark["crc32"], mark["format"]
    file.write_text(json.dumps(mark))
    assert run(storage)[-1]["optimizer_steps"] == 4
    assert [state.complete for state in stored_states(storage)] == [True, True]
