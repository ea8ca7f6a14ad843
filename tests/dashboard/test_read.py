"""The dashboard's reader: few requests, what changes is seen, what is damaged hides nothing."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from raycl.dashboard.export import export
from raycl.dashboard.listed_storage import FOLDERS
from raycl.dashboard.read import WatchedStorage
from raycl.errors import InputError
from raycl.states.mark import remove_state
from raycl.storage import Storage, layout
from raycl.sweep.leases import Leases
from raycl.sweep.status import sweep_status
from raycl.sweep.steering.record import write_failure, write_request
from raycl.watch.contract import NodeLine
from raycl.watch.live_record import Curve, LiveNode, LogLine, write_live
from tests.helpers.made_up_storage import NAME, made_up_storage
from tests.helpers.s3_server import S3Server

LISTINGS = len(FOLDERS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A small sweep with its states and results."""
    return made_up_storage(tmp_path_factory.mktemp("made"))


@pytest.fixture
def storage(made: Storage, tmp_path: Path) -> Storage:
    """A copy of it."""
    shutil.copytree(made.url, tmp_path / "copy")
    return Storage(tmp_path / "copy")


def nodes(watched: WatchedStorage) -> list[NodeLine]:
    (sweep,) = watched.snapshot()["sweeps"]
    return sweep["nodes"]


def live_record(node: NodeLine, step: int, holder: str, now: datetime | None = None) -> LiveNode:
    now = now or datetime.now(UTC)
    return LiveNode(
        node=node["name"],
        title="new 6–12",
        sweeps=(NAME,),
        holder=holder,
        status="training",
        started=now,
        updated=now,
        first_step=6,
        last_step=12,
        step=step,
        seconds_left=float(12 - step),
        numbers={"loss": 4.0, "tokens_per_second": 100.0},
        curves={"loss": Curve(steps=tuple(range(7, step + 1)), values=(4.0,) * (step - 6))},
        log=(LogLine(at=now, kind="training", text="begins"),),
    )


def test_a_finished_sweep_is_read_once(storage: Storage) -> None:
    watched = WatchedStorage(storage.url)
    first = watched.snapshot()
    (sweep,) = first["sweeps"]
    assert (first["damaged"], first["live"]) == ([], False)
    assert [recipe["status"] for recipe in sweep["recipes"]] == ["finished", "finished"]
    assert sweep["summary"]["finished"] == 3
    assert sweep["facts"]["Run it again"].startswith("$ raycl sweep")  # type: ignore[union-attr]
    whole = watched.whole()
    curves = whole["curves"][sweep["nodes"][0]["name"]]
    assert curves["loss"][0] == [1, 2, 3, 4, 5, 6]
    assert curves["validation/older"] == ([6], [4.0])
    json.dumps(whole, allow_nan=False)
    before = watched.storage.listed.requests
    assert watched.snapshot()["sweeps"] == first["sweeps"]
    assert watched.storage.listed.requests - before == LISTINGS


def test_nodes_are_shown_before_results_are_computed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = WatchedStorage(storage.url)
    storage.remove(layout.sweep_results(NAME, "parquet"))
    (first,) = watched.snapshot(patient=False)["sweeps"]
    assert (len(first["nodes"]), first["recipes"]) == (3, [])
    (second,) = watched.snapshot(patient=False)["sweeps"]
    assert [recipe["status"] for recipe in second["recipes"]] == ["finished", "finished"]
    monkeypatch.setattr("raycl.dashboard.read_sweep.time.monotonic", lambda: 0.0)
    remove_state(storage, second["nodes"][-1]["name"])
    (third,) = watched.snapshot(patient=False)["sweeps"]
    assert third["nodes"][-1]["status"] == "waiting"
    assert third["recipes"] == second["recipes"]
    (last,) = watched.snapshot()["sweeps"]
    assert {recipe["status"] for recipe in last["recipes"]} == {"finished", "unfinished"}


def test_it_sees_a_node_train_and_fail_and_wait(storage: Storage) -> None:
    last = nodes(WatchedStorage(storage.url))[-1]
    remove_state(storage, last["name"])
    watched = WatchedStorage(storage.url)
    with Leases(storage) as leases:
        assert leases.take(last["name"])
        for step in (8, 10):
            write_live(storage, live_record(last, step, leases.holder))
            found = watched.snapshot()
            node = found["sweeps"][0]["nodes"][-1]
            assert (found["live"], node["status"], node["step"]) == (True, "training", step)
            curves = watched.details([last["name"]])["curves"][last["name"]]
            assert curves["loss"][0] == list(range(7, step + 1))
        assert found["sweeps"][0]["summary"]["seconds_left"] == 2.0
        assert watched.details([last["name"]])["logs"][last["name"]][0]["text"] == "begins"
    assert nodes(watched)[-1]["status"] == "waiting"
    write_failure(storage, last["name"], "CUDA out of memory")
    node = nodes(watched)[-1]
    assert (node["status"], node["failure"]) == ("failed", "CUDA out of memory")
    write_request(storage, last["name"], "pause", "at night")
    node = nodes(watched)[-1]
    assert (node["status"], node["failure"]) == ("held", "")
    assert "at night" in node["told"]


def test_a_machine_that_is_gone_trains_nothing(storage: Storage) -> None:
    last = nodes(WatchedStorage(storage.url))[-1]
    remove_state(storage, last["name"])
    watched, earlier = WatchedStorage(storage.url), datetime.now(UTC) - timedelta(minutes=5)
    with Leases(storage, beat_seconds=1000) as leases:
        assert leases.take(last["name"])
        write_live(storage, live_record(last, 9, "another", datetime.now(UTC)))
        node = nodes(watched)[-1]  # a record of the process that had it before says nothing
        assert (node["status"], node["step"]) == ("training", 6)
        write_live(storage, live_record(last, 8, leases.holder, earlier))
        assert nodes(watched)[-1]["step"] == 8
        beat = Path(storage.full_path(layout.lease_holder(leases.holder)))
        os.utime(beat, (earlier.timestamp(), earlier.timestamp()))
        found = watched.snapshot()
        (sweep,) = found["sweeps"]
        assert (found["live"], sweep["summary"]["silent"], sweep["summary"]["training"]) == (
            False,
            1,
            0,
        )
        node = sweep["nodes"][-1]
        assert (node["status"], node["step"], node["seconds_left"]) == ("silent", 6, None)
        assert f"since {earlier:%Y-%m-%d %H:%M:%S} UTC" in node["told"]
        leases.beat()
        assert nodes(watched)[-1]["status"] == "training"


def test_a_storage_without_leases_shows_what_is_trained_by_its_records(storage: Storage) -> None:
    last = nodes(WatchedStorage(storage.url))[-1]
    remove_state(storage, last["name"])
    watched = WatchedStorage(storage.url)
    write_live(storage, live_record(last, 8, ""))
    assert (nodes(watched)[-1]["status"], nodes(watched)[-1]["step"]) == ("training", 8)
    assert sweep_status(storage, NAME).nodes[-1]["status"] == "training"
    write_live(storage, live_record(last, 8, "", datetime.now(UTC) - timedelta(minutes=5)))
    assert nodes(watched)[-1]["status"] == "waiting"


def test_a_look_that_fails_is_made_again(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = WatchedStorage(storage.url)
    with monkeypatch.context() as patch:

        def fails(_: Storage) -> None:
            raise OSError("the store is gone")

        patch.setattr("raycl.dashboard.read.list_states", fails)
        found = watched.snapshot()
        assert (found["damaged"], found["sweeps"]) == (["the store is gone"], [])
    assert len(nodes(watched)) == 3


def test_a_damaged_sweep_and_a_bare_recipe_hide_no_other(storage: Storage) -> None:
    for name in ("bare", "broken"):
        text = storage.read_bytes(layout.sweep_recipe(NAME)).replace(b"small", name.encode())
        storage.write_bytes(layout.sweep_recipe(name), text.partition(b"\n")[2])
    storage.write_bytes(layout.sweep_tree("broken"), b"{")
    found = WatchedStorage(storage.url).snapshot()
    assert [sweep["name"] for sweep in found["sweeps"]] == ["bare", "broken", NAME]
    assert [len(sweep["nodes"]) for sweep in found["sweeps"]] == [0, 0, 3]
    told = " ".join(found["damaged"])
    assert "sweeps/bare/tree.json: the file is missing" in told
    assert "sweeps/broken/tree.json: not valid JSON" in told


def test_a_sweep_whose_states_are_gone_shows_what_was_stored(storage: Storage) -> None:
    watched = WatchedStorage(storage.url)
    stored = watched.snapshot()["sweeps"][0]["recipes"]
    for node in nodes(watched):
        remove_state(storage, node["name"])
    (sweep,) = watched.snapshot()["sweeps"]
    assert [(r["label"], r["values"]) for r in sweep["recipes"]] == [
        (recipe["label"], recipe["values"]) for recipe in stored
    ]
    assert "2 finished recipes are not there any more" in sweep["notes"][-1]


def test_an_export_is_written_whole_or_not_at_all(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    with pytest.raises(InputError, match="no sweep here"):
        export(WatchedStorage(str(tmp_path / "nothing")), file)
    assert not file.exists()
    assert export(WatchedStorage(storage.url), file) == []
    assert b"replay 50%" in file.read_bytes()
    with pytest.raises(InputError, match="its folder is not there"):
        export(WatchedStorage(storage.url), tmp_path / "no" / "page.html")


@pytest.mark.s3
def test_a_bucket_is_watched_like_a_folder(storage: Storage, s3: S3Server) -> None:
    bucket = Storage(f"s3://{s3.new_bucket()}/runs")
    bucket.upload_folder(Path(storage.url), "")
    local, remote = (WatchedStorage(place.url).snapshot() for place in (storage, bucket))
    assert remote["damaged"] == []
    assert remote["sweeps"][0]["recipes"] == local["sweeps"][0]["recipes"]
