"""How a sweep and a trial look at what is asked, while storage changes or does not answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from raycl.storage import Storage, layout
from raycl.storage.local import LocalFiles
from raycl.sweep.steering.leaving import LeaveWatch
from raycl.sweep.steering.lookout import Look, Lookout
from raycl.sweep.steering.record import thawed, wanted, write_request
from tests.helpers.waiting import wait_until


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def seen(lookout: Lookout) -> dict[str, str]:
    lookout.look()
    assert lookout.newest is not None
    return {node: request.action for node, request in lookout.newest.requests.items()}


def test_a_look_finds_what_is_asked_now(storage: Storage) -> None:
    lookout = Lookout(storage)
    assert seen(lookout) == {}
    write_request(storage, "a", "pause")
    write_request(storage, "b", "retry")
    assert seen(lookout) == {"a": "pause", "b": "retry"}
    write_request(storage, "a", "resume")
    assert seen(lookout) == {"a": "resume", "b": "retry"}
    storage.remove(layout.steering("b"))
    assert seen(lookout) == {"a": "resume"}


def test_a_change_within_one_second_of_the_store_is_seen_by_the_next_look(storage: Storage) -> None:
    path = Path(storage.full_path(layout.steering("a")))
    lookout = Lookout(storage)
    for action in ("pause", "retry"):  # words of one length: name, size and second are equal
        write_request(storage, "a", action)
        os.utime(path, (1000, 1000))
        assert seen(lookout) == {"a": action}


def test_a_file_that_stays_is_not_read_again(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_request(storage, "a", "pause")
    lookout, read = Lookout(storage), LocalFiles.read
    reads: list[str] = []
    monkeypatch.setattr(LocalFiles, "read", lambda self, p: reads.append(p) or read(self, p))
    for _ in range(5):
        assert seen(lookout) == {"a": "pause"}
    assert len(reads) == 2


def test_a_store_that_fails_and_a_damaged_record_change_nothing(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_request(storage, "a", "pause")
    lookout = Lookout(storage)
    assert seen(lookout) == {"a": "pause"}
    storage.write_bytes(layout.steering("a"), b"{")
    storage.write_bytes(layout.steering("b"), b"{")
    assert seen(lookout) == {"a": "pause"}

    def fails(*_: object) -> Iterator[None]:
        raise OSError("gone")

    monkeypatch.setattr(LocalFiles, "found", fails)
    monkeypatch.setattr(LocalFiles, "entries", fails)
    before = lookout.newest
    with lookout:
        lookout.look()
    assert lookout.newest is before


def test_a_look_that_is_asked_for_begins_afterwards(storage: Storage) -> None:
    with Lookout(storage, seconds=600) as lookout:
        write_request(storage, "a", "stop")
        number = lookout.ask()

        def answer() -> Look | None:
            look = lookout.newest
            return look if look is not None and look.number >= number else None

        assert wait_until(answer, "a look has been made").requests["a"].action == "stop"


def test_what_is_to_be_written_is_written_before_the_end(storage: Storage) -> None:
    def fails(_: Storage) -> None:
        raise OSError("gone")

    with Lookout(storage, seconds=600) as lookout:
        lookout.later(fails)
        lookout.later(lambda there: there.write_bytes("x", b"1"))
    assert storage.read_bytes("x") == b"1"


def test_a_trial_hears_of_a_pause_and_of_its_end(storage: Storage) -> None:
    told: list[bool] = []
    with LeaveWatch(storage, "a", seconds=0.01) as watch:
        watch.tell(told.append)
        assert not watch.asked()
        write_request(storage, "a", "pause")
        wait_until(watch.asked, "the pause is known")
        write_request(storage, "a", "stop")
        write_request(storage, "a", "resume")
        wait_until(lambda: not watch.asked(), "the end of the pause is known")
    assert told == [True, False]
    assert watch.was_asked


def test_a_trial_knows_from_the_beginning_and_tells_at_once(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_request(storage, "a", "stop")
    told: list[bool] = []
    with LeaveWatch(storage, "a", seconds=600) as watch:
        assert not watch.was_asked
        assert watch.asked()
        watch.tell(told.append)
    assert told == [True]

    def fails(*_: object) -> bytes:
        raise OSError("gone")

    monkeypatch.setattr(LocalFiles, "read", fails)
    with LeaveWatch(storage, "a", seconds=600) as watch:
        assert not watch.asked()


def test_what_is_wanted_of_nodes(storage: Storage) -> None:
    write_request(storage, "a", "stop")
    write_request(storage, "b", "resume")
    write_request(storage, "c", "retry")
    write_request(storage, "z", "pause")
    nodes = ["a", "b", "c", "d"]
    assert wanted(storage, nodes) == {"a": "stop", "b": "resume", "c": "retry"}
    assert thawed(storage, nodes) == {"b", "c"}
