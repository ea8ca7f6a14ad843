"""Live records: what a sweep writes of its nodes while it trains them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from raycl.storage import Storage, layout
from raycl.sweep import live_writer
from raycl.sweep.events import THEIRS, SweepEvent, node_label
from raycl.sweep.live_writer import LiveWriter
from raycl.sweep.verify import verify_storage
from raycl.watch.live_record import MOST_POINTS, LiveNode, find_live, write_live
from tests.helpers import fakes

NODES = {node.name: node for node in fakes.make_tree([("a", None, 1)], steps=1000).nodes}


class Watched:
    """A writer whose thread is the test's, with a clock of its own."""

    def __init__(self, storage: Storage) -> None:
        self.storage, self.now = storage, 0.0
        self.writer = LiveWriter(storage, "holder", ("s",), NODES, 2.0, clock=lambda: self.now)

    def tell(self, kind: Any, reason: str = "") -> LiveNode:
        self.writer.event(SweepEvent(kind, "a", node_label(NODES["a"]), reason=reason))
        return self.written()

    def report(self, step: int, seconds: float = 0.0, **numbers: float) -> LiveNode:
        self.now += seconds
        self.writer.report("a", {"step": step, "loss": 10.0 - step / 1000, **numbers})
        return self.written()

    def written(self) -> LiveNode:
        self.writer.write_due()
        found = find_live(self.storage, "a")
        assert found is not None
        return found


def test_a_record_is_written_at_once_at_a_start_and_an_end_and_else_now_and_then(
    tmp_path: Path,
) -> None:
    watched = Watched(Storage(tmp_path))
    assert watched.tell("started").status == "starting"
    assert watched.report(1, seconds=1).status == "starting"  # not due yet
    found = watched.report(2, seconds=1, tokens_per_second=5e3, learning_rate=float("nan"))
    assert (found.status, found.step, found.seconds_left) == ("training", 2, 998)
    assert found.numbers == {"loss": 9.998, "tokens_per_second": 5e3}
    assert found.curves["loss"].steps == (1, 2)
    watched.report(3, **{"validation/new": 2.5})
    assert watched.tell("retried", "it broke").log[-1].text == "it broke"
    watched.tell("started")
    found = watched.report(3, seconds=2)  # from a saved state: what came after it is told anew
    assert found.curves["loss"].steps == (1, 2, 3)
    done = watched.tell("finished")
    assert (done.status, done.step, done.seconds_left) == ("finished", 1000, None)
    assert [line.kind for line in done.log] == ["started", "retried", "started", "finished"]
    assert done.numbers["validation/new"] == 2.5


def test_a_training_that_goes_on_keeps_what_was_told_before(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    killed = Watched(storage)
    killed.tell("started")
    for step in (1, 2, 3, 4):
        killed.report(step, seconds=3)
    again = Watched(storage)
    found = again.tell("started")
    assert (found.curves["loss"].steps, found.step) == ((1, 2, 3, 4), 4)
    found = again.report(3, seconds=3)
    assert (found.curves["loss"].steps, found.step) == ((1, 2, 3), 3)
    assert [line.kind for line in found.log] == ["started", "started"]


def test_a_long_curve_is_thinned_and_keeps_its_newest_point(tmp_path: Path) -> None:
    watched = Watched(Storage(tmp_path))
    watched.tell("started")
    for step in range(2 * MOST_POINTS + 100):
        watched.writer.report("a", {"step": step, "loss": 1.0})
    watched.now += 2
    steps = watched.written().curves["loss"].steps
    assert MOST_POINTS / 2 < len(steps) <= MOST_POINTS
    assert (steps[0] <= 4, steps[-1]) == (True, 2 * MOST_POINTS + 99)
    assert list(steps) == sorted(set(steps))


def test_a_node_that_another_sweep_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    watched = Watched(storage)
    before = watched.tell("started")
    assert watched.tell("waiting", "no room").log[-1].text == "no room"
    told = watched.tell("waiting", THEIRS)
    watched.report(5, seconds=100)
    assert watched.written() == told != before
    storage.remove(layout.live_node("a"))
    watched.writer.event(SweepEvent("paused", "a", "a", reason="by anna"))  # not trained here
    watched.writer.write_due(everything=True)
    assert find_live(storage, "a") is None


def fails(*_: object) -> None:
    raise OSError("disk full")


def test_a_node_that_finished_last_is_not_told_to_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(tmp_path)
    writer = LiveWriter(storage, "holder", ("s",), NODES)  # its thread has written nothing yet
    for kind in ("started", "finished"):
        writer.event(SweepEvent(kind, "a", "a"))
    writer.__exit__()
    with monkeypatch.context() as patch:
        patch.setattr(live_writer, "write_live", fails)
        writer.write_due(everything=True)
    writer.__exit__()
    writer.write_due(everything=True)  # what could not be written is written at the end
    found = find_live(storage, "a")
    assert found is not None
    assert (found.status, found.log[-1].kind) == ("finished", "finished")


def test_a_store_that_fails_ends_no_sweep_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(Storage(tmp_path))
    watched.tell("started")
    with monkeypatch.context() as patch:
        patch.setattr(live_writer, "write_live", fails)
        watched.report(1, seconds=9)
        problem = watched.writer.new_problem()
        assert problem is not None
        assert "disk full" in problem
        watched.report(2, seconds=9)
    assert watched.writer.new_problem() is None
    assert watched.report(3, seconds=9).curves["loss"].steps == (1, 2, 3)
    storage = watched.storage
    storage.write_bytes(layout.live_node("a"), b"{")
    assert Watched(storage).tell("started").status == "starting"  # a damaged one is written anew


def test_records_are_verified_with_all_else(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    Watched(storage).tell("started")
    assert verify_storage(storage).damaged == ()
    path = layout.live_node("a")
    storage.write_bytes(path, storage.read_bytes(path).replace(b"holder", b"folder"))
    (problem,) = verify_storage(storage).damaged
    assert "checksum" in problem


def test_the_thread_writes_and_the_end_leaves_what_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, has_written = Storage(tmp_path), threading.Event()

    def written(place: Storage, record: LiveNode) -> None:
        write_live(place, record)
        has_written.set()

    monkeypatch.setattr(live_writer, "write_live", written)
    with LiveWriter(storage, "holder", ("s",), NODES) as writer:
        writer.event(SweepEvent("started", "a", "a"))
        assert has_written.wait(30)
        writer.report("a", {"step": 7, "loss": 1.0})
    found = find_live(storage, "a")
    assert found is not None
    assert (found.status, found.step, found.log[-1].kind) == ("left", 7, "left")
