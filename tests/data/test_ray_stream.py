"""The rows that each rank reads: exactly the global batches, in order, from any step on."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.data.blocks import block_bounds
from raycl.data.ray_stream import direct_batches, rank_batches, rank_runs
from raycl.data.shards import CorpusReader
from raycl.errors import InputError
from raycl.plan.mixture import Run
from raycl.plan.shares import largest_share
from raycl.storage import Storage
from tests.helpers import fakes
from tests.helpers.waiting import wait_until

STEPS = 150


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = Storage(tmp_path_factory.mktemp("ingest"))
    for name in ("new", "old"):
        fakes.make_corpus(storage, name)
    return storage


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99), st.integers(1, 20)), min_size=1),
    st.integers(1, 12),
)
def test_the_ranks_together_read_the_global_batch_in_order(
    runs: list[tuple[str, int, int]], world: int
) -> None:
    global_runs = [Run(corpus, first, count) for corpus, first, count in runs]
    rows = [(r.corpus, r.first + i) for r in global_runs for i in range(r.count)]
    shares = [rank_runs(global_runs, rank, world) for rank in range(world)]
    counts = {sum(run.count for run in share) for share in shares}
    assert max(counts) - min(counts) <= 1
    assert max(counts) == largest_share(len(rows), world)
    together = [(r.corpus, r.first + i) for share in shares for r in share for i in range(r.count)]
    assert together == rows


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 10**8))
def test_blocks_cover_the_steps_and_begin_with_one(start: int, steps: int, size: int) -> None:
    bounds = block_bounds(start, start + steps, size)
    assert [s for a, b in bounds for s in range(a, b)] == list(range(start, start + steps))
    assert all(stop - first <= 64 for first, stop in bounds)
    assert not bounds or bounds[0] == (start, start + 1)


def global_batch(storage: Storage, step: int) -> np.ndarray:
    """Straight from the shards, one read a run."""
    from raycl.data.manifest import load_manifest

    training = fakes.make_training(STEPS)
    parts = []
    for run in training.chain.rows(step):
        folder = f"corpora/{run.corpus}"
        reader = CorpusReader(storage, folder, load_manifest(storage, folder))
        parts.append(reader.read(run.first, run.count))
    return np.concatenate(parts)


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_direct_batches_are_the_ranks_share(storage: Storage, world: int) -> None:
    training = fakes.make_training(STEPS)
    ranks = [direct_batches(training, storage, rank, world)(45) for rank in range(world)]
    for step in range(45, STEPS):
        batch = np.concatenate([next(rank) for rank in ranks])
        np.testing.assert_array_equal(batch, global_batch(storage, step))
    assert all(next(rank, None) is None for rank in ranks)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("world", [1, 3])
def test_ray_streams_the_same_rows_from_the_middle(storage: Storage, world: int) -> None:
    training = fakes.make_training(STEPS)
    for rank in range(world):
        expected = direct_batches(training, storage, rank, world)(37)
        streamed = list(rank_batches(training, storage, rank, world)(37))
        assert len(streamed) == STEPS - 37
        for ours, theirs in zip(streamed, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == np.uint16
            assert ours.flags.writeable


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_segments_join(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raycl.data.ray_stream.SEGMENT_BLOCKS", 2)
    training = replace(fakes.make_training(STEPS), stop=12)
    streamed = list(rank_batches(training, storage, 0, 1)(0))
    expected = list(direct_batches(training, storage, 0, 1)(0))
    np.testing.assert_array_equal(np.stack(streamed), np.stack(expected))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_stopping_early_leaves_no_thread(storage: Storage) -> None:
    def executors() -> set[threading.Thread]:
        return {t for t in threading.enumerate() if "Streaming" in type(t).__name__ + t.name}

    iterator = rank_batches(fakes.make_training(20_000), storage, 0, 1)(0)
    next(iterator)
    assert executors()  # the name is Ray's: without this the test could pass for no reason
    assert isinstance(iterator, Generator)
    iterator.close()
    wait_until(lambda: not executors(), "Ray's threads have ended")


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_damaged_shard_is_an_input_error(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    for name in ("new", "old"):
        fakes.make_corpus(storage, name)
    shard = tmp_path / "corpora/new/train/00001.npy"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=r"00001\.npy: row 99 does not match its checksum"):
        list(rank_batches(fakes.make_training(40), storage, 0, 1)(0))


def test_rows_of_another_length_are_refused(storage: Storage) -> None:
    with pytest.raises(InputError, match="rows of 17 tokens, not 8"):
        rank_batches(fakes.make_training(4, length=9), storage, 0, 1)
