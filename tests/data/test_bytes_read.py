"""What a stage costs a store: little more than its rows, in few large requests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raycl.data.blocks import block_bounds
from raycl.data.rank_reader import rank_reader
from raycl.data.ray_stream import direct_batches, rank_batches
from raycl.plan.training import Training
from raycl.storage import Storage
from tests.helpers import fakes
from tests.helpers.counting_storage import CountingStorage

STEPS, BATCH, LENGTH = 384, 256, 129
ROWS = STEPS * BATCH


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = Storage(tmp_path_factory.mktemp("bytes"))
    fakes.make_corpus(storage, "new", ROWS, LENGTH)
    fakes.make_corpus(storage, "old", ROWS, LENGTH)
    return storage


@pytest.fixture
def counting(written: Storage, tmp_path: Path) -> CountingStorage:
    return CountingStorage(written.url, str(tmp_path / "reads"))


def training() -> Training:
    return fakes.make_training(STEPS, BATCH, LENGTH, ROWS)


def check(reads: list[int]) -> None:
    assert ROWS * LENGTH * 2 <= sum(reads) <= 1.05 * ROWS * LENGTH * 2
    large = sum(size for size in reads if size >= 2**20)
    assert large > 2 / 3 * sum(reads)  # the first blocks are short, to begin soon
    assert sum(reads) / len(reads) > 0.5 * 2**20


def test_blocks_read_little_more_than_their_rows(counting: CountingStorage) -> None:
    reader = rank_reader(training(), counting, 0, 1)
    for start, stop in block_bounds(0, STEPS, reader.step_bytes):
        reader.read(start, stop)
    check(counting.reads())


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_so_does_ray_data(counting: CountingStorage) -> None:
    assert sum(len(rows) for rows in rank_batches(training(), counting, 0, 1)(0)) == ROWS
    check(counting.reads())


def test_the_count_would_notice_small_reads(counting: CountingStorage) -> None:
    for _ in direct_batches(training(), counting, 0, 1)(0):
        pass
    with pytest.raises(AssertionError):
        check(counting.reads())


@pytest.mark.parametrize(("world", "most_requests", "most_bytes"), [(1, 4.1, 1.05), (8, 1.1, 2.1)])
def test_later_epochs_are_read_by_blocks_and_not_by_rows(
    counting: CountingStorage, world: int, most_requests: float, most_bytes: float
) -> None:
    """A step has 4 blocks of 64 rows; a rank of eight has 32 rows, all of one or two blocks."""
    twice = fakes.make_training(2 * STEPS, BATCH, LENGTH, ROWS, replay="0")
    reader = rank_reader(replace(twice, start=STEPS), counting, world // 2, world)
    before = len(counting.reads())
    for start, stop in block_bounds(STEPS, 2 * STEPS, reader.step_bytes):
        reader.read(start, stop)
    reads = counting.reads()[before:]
    assert len(reads) <= most_requests * STEPS
    assert sum(reads) <= most_bytes * (ROWS // world) * LENGTH * 2
