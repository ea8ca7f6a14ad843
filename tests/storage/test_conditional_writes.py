"""Conditional writes: of many who try at once, one succeeds, on a local disk and on S3 alike."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from raycl.storage import Storage
from tests.helpers.paths import ROOT

RACERS = 8


@pytest.fixture
def storage(new_storage: Callable[[], Storage]) -> Storage:
    return new_storage()


def race(action: Callable[[int], Any], racers: int = RACERS) -> list[Any]:
    """What `action(racer)` returns for each racer, all of them let go at once."""
    barrier, results = threading.Barrier(racers), [None] * racers

    def run(number: int) -> None:
        barrier.wait()
        results[number] = action(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_lease_from_beginning_to_end(storage: Storage) -> None:
    first = storage.create("leases/node", b"me 1")
    assert first is not None
    assert storage.create("leases/node", b"you 1") is None
    assert storage.read_version("leases/node") == (b"me 1", first)
    second = storage.replace("leases/node", b"me 2", first)
    assert second is not None
    assert second != first
    assert storage.replace("leases/node", b"you 2", first) is None
    assert not storage.delete_if("leases/node", first)
    assert storage.read_version("leases/node") == (b"me 2", second)
    assert storage.list("leases") == ["node"]
    assert storage.delete_if("leases/node", second)
    assert not storage.delete_if("leases/node", second)
    assert storage.replace("leases/node", b"me 3", second) is None
    assert not storage.exists("leases/node")
    assert storage.create("leases/node", b"you 3") is not None


def test_nothing_there_is_no_version(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read_version("no/such")
    assert storage.replace("no/such", b"x", "version") is None
    assert not storage.delete_if("no/such", "version")
    assert not storage.exists("no/such")


@pytest.mark.parametrize("turn", range(5))
def test_one_of_many_creates(storage: Storage, turn: int) -> None:
    found = race(lambda me: storage.create("lease", f"{turn} {me}".encode()))
    (winner,) = [me for me, version in enumerate(found) if version is not None]
    assert storage.read_version("lease") == (f"{turn} {winner}".encode(), found[winner])


@pytest.mark.parametrize("turn", range(5))
def test_one_of_many_replaces(storage: Storage, turn: int) -> None:
    version = storage.create("lease", b"start")
    assert version is not None
    found = race(lambda me: storage.replace("lease", f"{turn} {me}".encode(), version))
    (winner,) = [me for me, new in enumerate(found) if new is not None]
    assert storage.read_version("lease") == (f"{turn} {winner}".encode(), found[winner])
    again = race(lambda me: storage.replace("lease", f"again {me}".encode(), found[winner]))
    (second,) = [me for me, new in enumerate(again) if new is not None]
    assert storage.read_version("lease") == (f"again {second}".encode(), again[second])


@pytest.mark.parametrize("turn", range(5))
def test_one_of_many_deletes(storage: Storage, turn: int) -> None:
    version = storage.create("lease", str(turn).encode())
    assert version is not None
    assert sum(race(lambda _: storage.delete_if("lease", version))) == 1
    assert not storage.exists("lease")


COUNT = """
import sys
from raycl.storage import Storage
storage, turns = Storage(sys.argv[1]), int(sys.argv[2])
while turns:
    data, version = storage.read_version("counter")
    if storage.replace("counter", str(int(data) + 1).encode(), version):
        turns -= 1
print(storage.create("first", sys.argv[3].encode()) is not None)
"""


def test_processes_lose_no_update(storage: Storage) -> None:
    """Read, add one, replace or try again: as many as there were turns."""
    storage.create("counter", b"0")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT, storage.url, "10", str(me)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in range(3)
    ]
    outputs = [process.communicate(timeout=240)[0].strip() for process in processes]
    assert storage.read_bytes("counter") == b"30"
    assert sorted(outputs) == ["False", "False", "True"]
    assert json.loads(storage.read_bytes("first")) == outputs.index("True")
