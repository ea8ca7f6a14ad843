"""The commands of the queue, on a storage in which a sweep seems to run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from raycl.cli.main import main
from raycl.storage import Storage, layout
from raycl.storage.record import read_record, write_record
from raycl.sweep.leases import Leases
from raycl.sweep.queue_files import SILENT_SECONDS
from raycl.sweep.queue_records import QueueEntry, QueueOrder


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "runs")


@pytest.fixture
def running(storage: Storage) -> Iterator[dict[str, str]]:
    """Two sweeps of one cluster; the holder of each."""
    with Leases(storage) as first, Leases(storage) as second:
        for number, (name, leases) in enumerate({"mine": first, "yours": second}.items()):
            entry = QueueEntry(
                sweeps=(name,),
                owner=f"{name} owner",
                priority=number,
                share=1.5,
                cluster="session_1",
                device="CPU",
                capacity=4.0,
                growable=4.0,
                asked=1,
                running=(1, 2),
                waiting=(1, 1),
                served=0.0,
                since=0.0,
            )
            write_record(storage, layout.queue_entry(leases.holder), entry)
        yield {"mine": first.holder, "yours": second.holder}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["queue", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.mark.usefixtures("running")
def test_the_queue_is_shown_in_the_order_of_turns(
    capsys: pytest.CaptureFixture[str], storage: Storage
) -> None:
    run(capsys, "quota", "mine owner", "3", "--storage", storage.url)
    code, out, _ = run(capsys, "--storage", storage.url)
    title, first, second, quota = out.splitlines()
    assert code == 0
    assert title.split()[1:6] == ["sweep", "owner", "priority", "share", "in"]
    # Number, name, owner, priority, share, in use, allotted, wanted.
    assert first.split()[:9] == ["1", "yours", "yours", "owner", "1", "1.5", "3", "4", "5"]
    assert second.split()[:9] == ["2", "mine", "mine", "owner", "0", "1.5", "3", "0", "5"]
    assert first.endswith("session_1: 4 CPU")
    assert quota == "quota of mine owner: 3 workers"


def test_a_sweep_of_a_machine_that_is_gone_is_left_out(
    capsys: pytest.CaptureFixture[str], storage: Storage, running: dict[str, str]
) -> None:
    """It cannot remove its entry, and nothing runs that would."""
    place = ("--storage", storage.url)
    then = time.time() - SILENT_SECONDS - 1
    os.utime(storage.full_path(layout.lease_holder(running["yours"])), (then, then))
    code, out, _ = run(capsys, *place)
    _, first, *gone = out.splitlines()
    assert code == 0
    # It has all four workers of the cluster, of which the other had three.
    assert first.split()[:9] == ["1", "mine", "mine", "owner", "0", "1.5", "3", "4", "5"]
    told = " ".join(gone)
    since = datetime.fromtimestamp(int(then)).isoformat(" ")
    assert told.startswith(f"yours of yours owner is left out: no sign of life since {since}")
    code, _, told = run(capsys, "set", "--sweep", "yours", "--priority", "1", *place)
    assert code == 2
    assert "Running now: mine. yours of yours owner is left out" in " ".join(told.split())
    assert storage.exists(layout.queue_entry(running["yours"]))  # whoever watches it may remove it


def test_an_empty_queue(capsys: pytest.CaptureFixture[str], storage: Storage) -> None:
    assert run(capsys, "--storage", storage.url)[:2] == (0, "No sweep runs here.\n")
    code, _, problem = run(capsys)
    assert (code, "no storage is named" in problem) == (2, True)


def test_a_sweep_that_runs_is_told(
    capsys: pytest.CaptureFixture[str], storage: Storage, running: dict[str, str]
) -> None:
    place = ("--storage", storage.url)
    assert run(capsys, "set", "--sweep", "mine", "--priority", "-2", *place)[0] == 0
    assert run(capsys, "set", "--sweep", "mine", "--share", "0.5", *place)[0] == 0
    told = read_record(storage, layout.queue_order(running["mine"]), QueueOrder)
    assert told == QueueOrder(priority=-2, share=0.5)
    assert not storage.exists(layout.queue_order(running["yours"]))


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("set --sweep other --priority 1", "Running now: mine, yours"),
        ("set --sweep mine", "Add --priority or --share"),
        ("set --sweep mine --share 0", "0 is no weight"),
        ("set --sweep mine --share nan", "nan is no weight"),
        ("quota anna", "Give a number of workers, or --no-quota"),
        ("quota anna 3 --no-quota", "exclude each other"),
        ("quota ' ' 3", "is no name"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(
    capsys: pytest.CaptureFixture[str], storage: Storage, words: str, problem: str
) -> None:
    import shlex

    code, _, told = run(capsys, *shlex.split(words), "--storage", storage.url)
    assert code == 2
    assert problem in told


def test_a_quota_is_set_and_taken_away(
    capsys: pytest.CaptureFixture[str], storage: Storage
) -> None:
    place = ("--storage", storage.url)
    assert run(capsys, "quota", "anna", "0", *place)[1] == "anna: at most 0 workers\n"
    assert "quota of anna: 0 workers" in run(capsys, *place)[1]
    assert run(capsys, "quota", "anna", "--no-quota", *place)[1] == "anna: no quota\n"
    assert "quota" not in run(capsys, *place)[1]


@pytest.mark.parametrize(
    "command", [(), ("set", "--sweep", "a", "--share", "2"), ("quota", "a", "1")]
)
def test_a_store_without_conditions_has_none(
    capsys: pytest.CaptureFixture[str],
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    monkeypatch.setattr(Storage, "has_conditional_writes", False)
    code, _, told = run(capsys, *command, "--storage", storage.url)
    assert (code, "no leases and no queue" in told) == (2, True)
