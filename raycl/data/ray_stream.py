"""Streams the rows of every step for one rank with Ray Data, so that they arrive before their step.

`rows(step)` alone fixes the order of reading, so the state of the data is one number, the step.
Each rank streams its own share, without a split of a common stream and without a coordinator. A
change of the number of workers only changes which rows of the same global batches a rank reads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from raycl.data.blocks import block_bounds
from raycl.data.rank_reader import Batches, RankReader, direct_batches, rank_reader, rank_runs
from raycl.errors import InputError
from raycl.plan.training import Training
from raycl.storage import Storage

if TYPE_CHECKING:
    from ray.data import DataContext, Dataset

__all__ = ["Batches", "direct_batches", "input_error_in", "rank_batches", "rank_runs"]

SEGMENT_BLOCKS = 256
"""Blocks of one dataset. Ray Data plans all of a dataset before it reads the first block, so a
training is read as several datasets."""
BUFFER_BYTES = 256 * 2**20
"""The most bytes of the object store that one rank's read-ahead may fill."""
READ_TASKS = 1
"""How many read tasks of one rank run at once. A read task needs no CPU, but a process to start."""


def rank_batches(training: Training, storage: Storage, rank: int, world: int) -> Batches:
    """The rank's rows of each step, which Ray Data reads ahead.

    The caller closes the iterator to end the read-ahead early.
    """
    reader = rank_reader(training, storage, rank, world)
    return partial(_stream, reader)


def _stream(reader: RankReader, first_step: int) -> Iterator[np.ndarray]:
    bounds = block_bounds(first_step, reader.training.stop, reader.step_bytes)
    for begin in range(0, len(bounds), SEGMENT_BLOCKS):
        yield from _stream_segment(reader, bounds[begin : begin + SEGMENT_BLOCKS])


def _stream_segment(reader: RankReader, bounds: list[tuple[int, int]]) -> Iterator[np.ndarray]:
    blocks = _dataset(reader, bounds).iter_batches(
        batch_size=None, batch_format="pyarrow", prefetch_batches=2
    )
    iterator = iter(blocks)
    try:
        for block in iterator:
            rows = _rows_of(block)
            for begin in range(0, len(rows), reader.rows_per_step):
                # A copy: the block itself is read-only memory of the object store.
                yield rows[begin : begin + reader.rows_per_step].copy()
    except Exception as error:
        # Ray wraps the error of a read task in errors of its own, whose text no user needs.
        raise input_error_in(error) or error from None
    finally:
        # Ends the read tasks when training stops before the end of the segment.
        if hasattr(iterator, "close"):
            iterator.close()


def input_error_in(error: BaseException) -> InputError | None:
    """The InputError that Ray has wrapped in errors of its own; None where there is none."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, InputError):
            # Ray gives it a class that inherits from both RayTaskError and InputError, and that
            # cannot be pickled as a plain InputError can.
            return InputError(current.where, current.problem, current.remedy)
        pending += [current.__cause__, current.__context__, getattr(current, "cause", None)]
        pending += list(getattr(current, "worker_failures", {}).values())
    return None


def _rows_of(block: pa.Table) -> np.ndarray:
    """The rows [count, row length] of a block, without a copy."""
    column = block.column("rows").combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0)
    rows: np.ndarray = column.flatten().to_numpy()
    return rows.reshape(-1, column.type.list_size)


def _block(reader: RankReader, start: int, stop: int) -> Iterator[pa.Table]:
    rows = reader.read(start, stop)
    column = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    yield pa.table({"rows": column})


@lru_cache(maxsize=1)
def _reader_of(shared: Any) -> RankReader:
    """One reader for all blocks that a process reads, so that it fetches checksums only once."""
    import ray

    return cast(RankReader, ray.get(shared))


def _dataset(reader: RankReader, bounds: list[tuple[int, int]]) -> Dataset:
    import ray
    from ray.data import DataContext

    # Stored once: a segment has hundreds of read tasks, each of which would carry a copy.
    shared = ray.put(reader)
    with DataContext.current(_quiet_context()):
        dataset: Dataset = ray.data.read_datasource(
            _datasource(reader, shared, bounds),
            num_cpus=0,
            concurrency=READ_TASKS,
            override_num_blocks=len(bounds),
        )
    return dataset


def _quiet_context() -> DataContext:
    from ray.data import DataContext, ExecutionResources
    from ray.util.debug import log_once

    # Ray prints a hint on progress bars the first time only. This call counts as the first time.
    log_once("ray_data_progress_manager_disabled")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = None  # else Ray could cut a block in the middle of a step
    context.execution_options.preserve_order = True
    context.execution_options.resource_limits = ExecutionResources.for_limits(
        object_store_memory=BUFFER_BYTES
    )
    return context


def _datasource(reader: RankReader, shared: Any, bounds: list[tuple[int, int]]) -> Any:
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    def read(start: int, stop: int) -> Iterator[pa.Table]:
        return _block(_reader_of(shared), start, stop)

    class Steps(Datasource):
        """Makes the read tasks of this rank's rows, in the order of steps."""

        def estimate_inmemory_data_size(self) -> int:
            return sum(stop - start for start, stop in bounds) * reader.step_bytes

        def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
            return [
                ReadTask(
                    partial(read, start, stop),
                    BlockMetadata(
                        num_rows=(stop - start) * reader.rows_per_step,
                        size_bytes=(stop - start) * reader.step_bytes,
                        input_files=None,
                        exec_stats=None,
                    ),
                )
                for start, stop in bounds
            ]

    return Steps()  # type: ignore[no-untyped-call]  # the base class is Ray's
