"""Rows that a thread reads ahead: those of the plain reader, within bounds, and ended cleanly."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.data import threaded_reader
from raycl.data.rank_reader import RankReader, direct_batches
from raycl.data.reading import read_ahead
from raycl.data.threaded_reader import threaded_batches
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers import fakes
from tests.helpers.waiting import wait_until

STEPS = 150


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = Storage(tmp_path_factory.mktemp("threaded"))
    for name in ("new", "old"):
        fakes.make_corpus(storage, name)
    return storage


def reading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "raycl-read"]


@settings(max_examples=25)
@given(st.sampled_from([1, 2, 4]), st.data())
def test_it_yields_what_the_plain_reader_yields(
    storage: Storage, world: int, data: st.DataObject
) -> None:
    rank, first = data.draw(st.integers(0, world - 1)), data.draw(st.integers(0, STEPS))
    training = fakes.make_training(STEPS)
    expected = list(direct_batches(training, storage, rank, world)(first))
    found = list(threaded_batches(training, storage, rank, world)(first))
    assert len(found) == len(expected) == STEPS - first
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    assert all(rows.flags.writeable for rows in found)
    assert reading_threads() == []


def test_it_reads_no_further_ahead_than_it_may(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threaded_reader, "AHEAD_BYTES", 0)
    read: list[int] = []
    whole = RankReader.read

    def noting(self: RankReader, start: int, stop: int) -> np.ndarray:
        read.append(start)
        return whole(self, start, stop)

    monkeypatch.setattr(RankReader, "read", noting)
    stream = threaded_batches(fakes.make_training(20_000), storage, 0, 1)(0)
    assert isinstance(stream, Generator)
    next(stream)
    wait_until(lambda: len(read) == 3, "the block in use and two more were read")
    next(stream)  # of the second block
    wait_until(lambda: len(read) == 4, "another one was read")
    assert len(read) == 4
    stream.close()
    assert reading_threads() == []


def test_what_the_thread_raises_comes_with_its_block(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    for name in ("new", "old"):
        fakes.make_corpus(storage, name)
    shard = sorted(tmp_path.glob("corpora/new/train/**/00000.npy"))[0]
    damaged = bytearray(shard.read_bytes())
    damaged[-1] ^= 255
    shard.write_bytes(bytes(damaged))
    stream = threaded_batches(fakes.make_training(STEPS), storage, 0, 1)(0)
    assert len(next(stream)) > 0
    with pytest.raises(InputError, match=r"00000\.npy"):
        list(stream)
    assert reading_threads() == []


@pytest.mark.parametrize(("world", "way"), [(1, "ray"), (8, "ray"), (9, "thread"), (64, "thread")])
def test_nodes_of_many_workers_read_with_threads(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, world: int, way: str
) -> None:
    def taken(name: str) -> Any:
        return lambda *_: name

    monkeypatch.setattr("raycl.data.reading.rank_batches", taken("ray"))
    monkeypatch.setattr("raycl.data.reading.threaded_batches", taken("thread"))
    read: Any = read_ahead(fakes.make_training(STEPS), storage, 0, world)
    assert read == way
