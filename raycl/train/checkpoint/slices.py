"""Reads parts of a state's tensors: whole blocks in parallel, each verified, and no more of them.

Ranges that lie beside each other are read at once. At most `READERS` reads of at most `READ_BYTES`
are under way, so that memory does not grow with what is read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch

from raycl.errors import InputError
from raycl.states.mark import REMEDY
from raycl.states.tensor_index import BLOCK_BYTES, Box, Chunk, TensorIndex
from raycl.storage import Storage
from raycl.train.checkpoint.runs import Runs, runs_between
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.parallel.boxes import flat_bytes

READERS = 8
READ_BYTES = 4 * BLOCK_BYTES
_GAP_BYTES = 256 * 2**10
"""Bytes that are read though nobody wants them, where a request of its own would cost more."""


@dataclass(frozen=True)
class Slice:
    """A box of a tensor, and the contiguous tensor on the CPU that takes its numbers."""

    tensor: str
    box: Box
    target: torch.Tensor


@dataclass(frozen=True)
class _Piece:
    """Whole blocks of a chunk, [begin, end) of its bytes, and what of them goes where."""

    chunk: Chunk
    begin: int
    end: int
    runs: Runs
    target: np.ndarray

    @property
    def place(self) -> tuple[str, int]:
        """Where it begins: the file, and the byte in it."""
        return self.chunk.file, self.chunk.begin + self.begin


def read_slices(
    storage: Storage, state: StoredState, index: TensorIndex, slices: Iterable[Slice]
) -> None:
    """Fill the targets. Raises InputError, which names the file that is damaged or missing."""
    pieces = chain.from_iterable(_pieces(index, wanted) for wanted in slices)
    reads = list(_reads(sorted(pieces, key=lambda piece: piece.place)))
    if not reads:
        return
    with ThreadPoolExecutor(min(READERS, len(reads))) as pool:
        try:
            for _ in pool.map(lambda read: _fill(storage, state, read), reads):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _pieces(index: TensorIndex, wanted: Slice) -> Iterator[_Piece]:
    target = flat_bytes(wanted.target).numpy()
    for chunk in index.chunks(wanted.tensor, wanted.box):
        runs = runs_between(chunk, wanted.box)
        low, high = runs.span
        for begin in range(low // BLOCK_BYTES * BLOCK_BYTES, high, READ_BYTES):
            end = -(-min(begin + READ_BYTES, high) // BLOCK_BYTES) * BLOCK_BYTES
            yield _Piece(chunk, begin, min(end, chunk.bytes), runs, target)


def _reads(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """The pieces, in the order of their places, in groups that one request reads."""
    group: list[_Piece] = []
    for piece in pieces:
        file, begin = piece.place
        if group and not (
            file == group[0].chunk.file
            and begin - _end(group[-1]) <= _GAP_BYTES
            and _end(piece) - group[0].place[1] <= READ_BYTES
        ):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _end(piece: _Piece) -> int:
    return piece.chunk.begin + piece.end


def _fill(storage: Storage, state: StoredState, pieces: Sequence[_Piece]) -> None:
    file, first = pieces[0].place
    last = max(map(_end, pieces))
    data = memoryview(read_part(storage, state, file, first, last - first))
    for piece in pieces:
        begin = piece.place[1] - first
        part = data[begin : begin + piece.end - piece.begin]
        _verify(part, piece, storage.full_path(state.path(file)))
        piece.runs.copy(part, piece.begin, piece.target)


def read_part(storage: Storage, state: StoredState, file: str, begin: int, length: int) -> bytes:
    """A range of one of a state's files; fewer bytes where the file ends.

    Raises InputError where the file is missing, or where a disk cannot read it.
    """
    path = state.path(file)
    try:
        return storage.read_range(path, begin, length)
    except FileNotFoundError as error:
        raise InputError(storage.full_path(path), "the file is missing", REMEDY) from error
    except OSError as error:
        if storage.local_root is None:  # a store that cannot be reached holds a good state
            raise
        reason = error.strerror or str(error)
        problem = f"it cannot be read ({reason})"
        raise InputError(storage.full_path(path), problem, REMEDY) from error


def _verify(data: memoryview, piece: _Piece, where: str) -> None:
    """Raise InputError where a block is not the one that was written."""
    numbers = range(piece.begin // BLOCK_BYTES, -(-piece.end // BLOCK_BYTES))
    expected = piece.chunk.crc32[numbers.start : numbers.stop]
    found = [
        zlib.crc32(data[begin : begin + BLOCK_BYTES]) for begin in range(0, len(data), BLOCK_BYTES)
    ]
    if len(data) != piece.end - piece.begin or list(expected) != found:
        raise InputError(where, "it does not match its checksum", REMEDY)
