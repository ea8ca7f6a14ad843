"""Reads the rows of every step for one rank ahead in a thread of its process. Does not use Ray.

It reads the same blocks as `ray_stream` does, with the same reader, so both yield the same rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from queue import SimpleQueue

import numpy as np

from raycl.data.blocks import BLOCK_BYTES, block_bounds
from raycl.data.rank_reader import Batches, RankReader, rank_reader
from raycl.plan.training import Training
from raycl.storage import Storage

AHEAD_BYTES = 64 * 2**20
"""The most bytes that are read and not used yet, where two blocks need no more."""
_CLOSE_SECONDS = 10.0
"""How long closing waits for a request that is under way. The thread ends right after it."""


def threaded_batches(training: Training, storage: Storage, rank: int, world: int) -> Batches:
    """The rank's rows of each step, which a thread reads ahead.

    The caller closes the iterator to end the read-ahead early. What the thread raises is raised
    when its block would have come.
    """
    return partial(_stream, rank_reader(training, storage, rank, world))


def _stream(reader: RankReader, first_step: int) -> Iterator[np.ndarray]:
    ahead = _ReadAhead(reader, block_bounds(first_step, reader.training.stop, reader.step_bytes))
    try:
        while (rows := ahead.next_block()) is not None:
            for begin in range(0, len(rows), reader.rows_per_step):
                yield rows[begin : begin + reader.rows_per_step]
    finally:
        ahead.close()


class _ReadAhead:
    """A thread that reads blocks in their order, as far ahead as there is room."""

    def __init__(self, reader: RankReader, bounds: list[tuple[int, int]]) -> None:
        self._reader, self._bounds = reader, bounds
        self._blocks: SimpleQueue[np.ndarray | BaseException | None] = SimpleQueue()
        blocks = AHEAD_BYTES // max(BLOCK_BYTES, reader.step_bytes)
        self._room = threading.Semaphore(max(2, blocks))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="raycl-read", daemon=True)
        self._thread.start()

    def next_block(self) -> np.ndarray | None:
        """The next block's rows; None after the last one. Raises what reading it has raised."""
        block = self._blocks.get()
        if isinstance(block, BaseException):
            raise block
        self._room.release()
        return block

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._room.release()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            for start, stop in self._bounds:
                self._room.acquire()
                if self._closed.is_set():
                    return
                self._blocks.put(self._reader.read(start, stop))
            self._blocks.put(None)
        except BaseException as error:  # it belongs to the thread that trains
            self._blocks.put(error)
