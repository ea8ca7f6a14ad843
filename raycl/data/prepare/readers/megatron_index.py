"""The index of a Megatron data set (`.idx`), each field of it checked against the sizes of files.

As Megatron-LM (megatron/core/datasets/indexed_dataset.py) and GPT-NeoX
(megatron/data/indexed_dataset.py) write it, little-endian:

    magic (9 bytes), version 1 (uint64), the code of the tokens' type (uint8),
    the number S of sequences (uint64), the number D of entries (uint64),
    S lengths in tokens (int32), S places in the `.bin` file in bytes (int64),
    D entries (int64): the sequence with which each document begins, and S at the end.

Nothing is held in memory but the block that is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raycl.data.prepare.file_systems import open_for_ranges
from raycl.data.prepare.readers.compression import UNREADABLE, unreadable
from raycl.errors import InputError

MAGIC = b"MMIDIDX\x00\x00"
_LEGACY_MAGIC = b"TNTIDX\x00\x00"
_HEAD = struct.Struct("<9sQBQQ")
_BLOCK = 2**18
"""Numbers that are checked at a time."""

TYPES = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 8: "uint16"}
"""Codes of whole numbers. 6 and 7 are floats, of which Megatron-LM and GPT-NeoX disagree."""

_WRITE_AGAIN = "Copy both files again, or write them again with preprocess_data.py"


@dataclass(frozen=True)
class MegatronIndex:
    """An open index and what its first bytes say."""

    url: str
    stream: pa.NativeFile
    dtype: np.dtype
    """Of the tokens in the `.bin` file."""
    sequences: int
    entries: int
    bin_bytes: int
    """Size of the `.bin` file."""

    @property
    def documents(self) -> int:
        """How many documents there are.

        GPT-NeoX's merge_datasets.py writes no entries but the first: each sequence is a document.
        """
        return self.entries - 1 if self.has_documents else self.sequences

    @property
    def has_documents(self) -> bool:
        """Whether entries say which sequences belong together."""
        return self.entries > 1

    @property
    def tokens(self) -> int:
        """Tokens of all sequences."""
        return self.bin_bytes // self.dtype.itemsize

    def lengths(self, first: int, stop: int) -> np.ndarray:
        """Tokens of the sequences [first, stop)."""
        return self._numbers("<i4", _HEAD.size, first, stop)

    def places(self, first: int, stop: int) -> np.ndarray:
        """Where the sequences [first, stop) begin in the `.bin` file, in bytes."""
        return self._numbers("<i8", _HEAD.size + 4 * self.sequences, first, stop)

    def begins(self, first: int, stop: int) -> np.ndarray:
        """The first sequences of the documents [first, stop); that of the last is the end."""
        if not self.has_documents:
            return np.arange(first, stop, dtype=np.int64)
        return self._numbers("<i8", _HEAD.size + 12 * self.sequences, first, stop)

    def bounds(self, first: int, stop: int) -> np.ndarray:
        """Bytes in the `.bin` file at which the documents [first, stop) begin, and the end."""
        begins = self.begins(first, stop + 1)
        low, high = int(begins[0]), int(begins[-1])
        places = np.append(
            self.places(low, min(high + 1, self.sequences)),
            np.int64(self.bin_bytes),  # where the sequence after the last would begin
        )
        bounds: np.ndarray = places[begins - low]
        return bounds

    def _numbers(self, kind: str, offset: int, first: int, stop: int) -> np.ndarray:
        size = np.dtype(kind).itemsize
        data = self.stream.read_at((stop - first) * size, offset + first * size)
        if len(data) != (stop - first) * size:
            raise InputError(self.url, "it ends too early", _WRITE_AGAIN)
        return np.frombuffer(data, kind)


def open_index(url: str, bin_url: str) -> MegatronIndex:
    """The index at `url`, its sizes compared with those of the files. Raises InputError."""
    try:
        stream = open_for_ranges(url)
        bin_bytes = open_for_ranges(bin_url).size()
        head, size = stream.read_at(_HEAD.size, 0), stream.size()
    except UNREADABLE as error:
        raise unreadable(f"{url} and its .bin file", error) from error
    code, sequences, entries = _head(url, head)
    expected = _HEAD.size + 12 * sequences + 8 * entries
    if size != expected:
        raise _wrong_size(url, size, expected, sequences)
    dtype = np.dtype(TYPES[code]).newbyteorder("<")
    return MegatronIndex(url, stream, dtype, sequences, entries, bin_bytes)


def _head(url: str, head: bytes) -> tuple[int, int, int]:
    if head.startswith(_LEGACY_MAGIC):
        raise InputError(
            url,
            "an index of the older format TNTIDX (`--dataset-impl lazy` or `cached`)",
            "Write the text again with `--dataset-impl mmap`, or give the text itself",
        )
    if not head.startswith(MAGIC) or len(head) < _HEAD.size:
        problem = "no index of Megatron-LM or GPT-NeoX: it does not begin with MMIDIDX and numbers"
        raise InputError(url, problem, "Name a data set by its path without .idx and .bin")
    _, version, code, sequences, entries = _HEAD.unpack(head)
    if version != 1:
        raise InputError(url, f"an index of version {version}; known is 1", _WRITE_AGAIN)
    if code in (6, 7):
        raise InputError(
            url,
            f"its numbers are floats (type {code}), which are no tokens of text",
            "Give a data set whose tokens are whole numbers",
        )
    if code not in TYPES:
        raise InputError(url, f"type {code} of its tokens is not known", _WRITE_AGAIN)
    return code, sequences, entries


def _wrong_size(url: str, size: int, expected: int, sequences: int) -> InputError:
    if size == expected + sequences:
        return InputError(
            url, "it has a mode for each sequence, as data of images and text", "Give text alone"
        )
    problem = f"it has {size:,} bytes where its numbers need {expected:,}: it is cut or damaged"
    return InputError(url, problem, _WRITE_AGAIN)


def check_index(index: MegatronIndex) -> None:
    """Raise InputError where lengths, places and documents do not fit each other or the files."""
    try:
        end = _checked_sequences(index)
        _check_documents(index)
    except UNREADABLE as error:
        raise unreadable(index.url, error) from error
    if end != index.bin_bytes:
        raise InputError(
            index.url,
            f"its sequences have {end:,} bytes, and the .bin file {index.bin_bytes:,}: one of the "
            "two is cut, or belongs to other data",
            _WRITE_AGAIN,
        )


def _checked_sequences(index: MegatronIndex) -> int:
    """Check each length and place; where the last sequence ends, in bytes."""
    end = 0
    for first, stop in _blocks(index.sequences):
        lengths = index.lengths(first, stop).astype(np.int64) * index.dtype.itemsize
        _refuse(index, "sequence", first, lengths < 0, "has fewer than 0 tokens")
        ends = end + np.cumsum(lengths)
        apart = index.places(first, stop) != ends - lengths
        _refuse(index, "sequence", first, apart, "does not begin where the one before it ends")
        end = int(ends[-1])
    return end


def _check_documents(index: MegatronIndex) -> None:
    before = 0
    for first, stop in _blocks(index.entries):
        entries = index._numbers("<i8", _HEAD.size + 12 * index.sequences, first, stop)
        wrong = (np.diff(entries, prepend=before) < 0) | (entries > index.sequences)
        _refuse(index, "document", first, wrong, "begins with a sequence that is not the next one")
        if first == 0 and entries[0] != 0:
            raise InputError(index.url, "its first document begins later than 0", _WRITE_AGAIN)
        before = int(entries[-1])
    if index.has_documents and before != index.sequences:
        raise InputError(
            index.url,
            f"its documents end with sequence {before:,} of {index.sequences:,}",
            _WRITE_AGAIN,
        )


def _refuse(index: MegatronIndex, what: str, first: int, wrong: np.ndarray, problem: str) -> None:
    found = np.flatnonzero(wrong)
    if len(found):
        place = f"{what} {first + int(found[0]):,}"
        raise InputError(index.url, f"its {place} {problem}", _WRITE_AGAIN)


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    for first in range(0, count, _BLOCK):
        yield first, min(first + _BLOCK, count)
