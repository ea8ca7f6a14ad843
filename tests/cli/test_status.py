"""`raycl status` of a sweep that runs, once, again and again, and as JSON."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from raycl.cli.main import main
from raycl.cli.status_view import node_lines
from raycl.states.tree_record import NodeRecord, write_tree_record
from raycl.storage import Storage, layout
from raycl.storage.record import record_bytes
from raycl.sweep.lease_records import Heartbeat
from raycl.sweep.leases import Leases
from raycl.sweep.steering.record import write_failure
from raycl.watch.live_record import LiveNode, LogLine, write_live

LABEL = "replay 50%"
FIRST = "small: 0 of 2 nodes finished, 0 of 12 steps"
NAME = f"000000012-{'d' * 40}"
ROOT = f"000000006-{'a' * 40}"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A sweep of two nodes of 6 steps, as its description shows it; none has saved a state."""
    storage = Storage(tmp_path)
    nodes = [
        NodeRecord(name=ROOT, parent=None, stage="old", steps=6, first_step=0, recipes=("a", "b")),
        NodeRecord(name=NAME, parent=ROOT, stage="new", steps=6, first_step=6, recipes=(LABEL,)),
    ]
    write_tree_record(storage, "small", nodes)
    return storage


def live(storage: Storage, holder: str, **fields: Any) -> LiveNode:
    """The record of the node after 4 of its 6 steps."""
    now = datetime.now(UTC)
    record = LiveNode(
        node=NAME,
        title="new 6–12 (replay 50%)",
        sweeps=("small",),
        holder=holder,
        status="training",
        started=now,
        updated=now,
        first_step=6,
        last_step=12,
        step=10,
        seconds_left=80.0,
        numbers={"loss": 3.4127, "tokens_per_second": 5120.0, "validation/new": 3.5},
        log=(LogLine(at=now, kind="started", text="started"),),
    ).model_copy(update=fields)
    write_live(storage, record)
    return record


def told(storage: Storage, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["status", "--storage", storage.url, *words])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_what_runs_is_told_with_its_step_and_numbers(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    with Leases(storage) as leases:
        assert leases.take(NAME)
        live(storage, leases.holder)
        first, _, line = told(storage, capsys).splitlines()
        found = json.loads(told(storage, capsys, "--json"))
    assert first == f"{FIRST}; 5,120 tokens/s"
    assert "training, not yet saved: new 6–12 (6 steps) of replay 50%; step 10/12, 66%, " in line
    assert "ETA 1 min 20 s, loss 3.413, 5,120 tokens/s, validation new 3.5; since " in line
    (sweep,) = found["sweeps"]
    node = next(node for node in sweep["nodes"] if node["status"] == "training")
    assert (node["step"], node["loss"], node["seconds_left"]) == (10, 3.4127, 80.0)
    assert (node["validation"], node["process"]) == ({"new": 3.5}, os.getpid())
    assert (sweep["summary"]["steps_done"], sweep["summary"]["steps_saved"]) == (4, 0)
    assert (found["format"], found["damaged"]) == (1, [])


def test_a_node_of_a_dead_machine_does_not_look_healthy(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=12)
    leases = Leases(storage)
    assert leases.take(NAME)
    beat = record_bytes(Heartbeat(beat=7, machine="gpu7/boot/1", process=4711))
    path = layout.lease_holder(leases.holder)
    storage.write_bytes(path, beat)
    os.utime(storage.full_path(path), (long_ago.timestamp(), long_ago.timestamp()))
    live(storage, leases.holder, updated=long_ago)
    first, _, line = told(storage, capsys).splitlines()
    assert first == f"{FIRST}; 1 silent"
    assert "silent: new 6–12" in line
    assert "nothing was heard of its process on gpu7 since " in line
    assert "(12 min" in line
    assert "the last training was at step 10/12" in line
    assert "5,120 tokens/s" not in line
    assert "ETA" not in line


def test_a_training_that_ended_and_failed_is_told_with_its_cause(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    live(storage, "gone", status="failed")
    write_failure(storage, NAME, "the loss is NaN")
    first, _, line = told(storage, capsys).splitlines()
    assert first == f"{FIRST}; 1 failed"
    assert "to train: new 6–12" in line
    assert "the last training was at step 10/12 at " in line
    assert line.endswith(": the loss is NaN")


def test_watching_a_log_ends_when_nothing_runs(
    storage: Storage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Leases(storage) as leases:
        assert leases.take(NAME)
        live(storage, leases.holder)
        looks: list[float] = []

        def sleeps(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 2:
                leases.release(NAME)

        monkeypatch.setattr("raycl.cli.status.time.sleep", sleeps)
        lines = told(storage, capsys, "--watch").splitlines()
    assert len(looks) == 2
    assert [line for line in lines if line.startswith("small")] == [
        f"{FIRST}; 5,120 tokens/s",  # the second look was no news
        FIRST,
    ]


def test_a_damaged_live_record_is_named_and_the_rest_is_shown(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    storage.write_bytes(layout.live_node(NAME), b"{")
    with pytest.raises(SystemExit) as ended:
        main(["status", "--storage", storage.url])
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out.splitlines()[0] == FIRST
    assert "damaged:" in err


def line_of(short: str, **fields: Any) -> dict[str, Any]:
    node = {
        "recipes": ["betas [/x]"],
        "stage": "new",
        "steps": 3,
        "saved": 0,
        "status": "waiting",
        "told": "",
        "short": short,
        "first_step": 0,
        "last_step": 3,
        "last_told_step": None,
    }
    return node | fields


def test_where_room_is_short_what_runs_and_fails_comes_first() -> None:
    nodes = [line_of(f"{place:012d}") for place in range(1000)]
    nodes[700] = line_of("failed", status="failed", told="failed at 14:05: it broke")
    nodes[800] = line_of("runs", status="training")
    lines = node_lines(nodes, datetime.now(UTC), most=4)
    assert [line.split()[0] for line in lines] == ["runs", "failed", "0" * 12, "…"]
    assert lines[-1] == "  … and 997 more"
    assert lines[0].endswith("of betas [/x]")  # labels with brackets are shown as they are
