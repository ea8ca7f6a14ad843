"""Token shards on storage: how they are written, and verified reads of contiguous rows.

A shard is a NumPy file of shape [rows, row_length] behind a header of always 128 bytes, so that
any run of rows is one range read at a place known without opening the file. One CRC-32 per row
lies in a small file beside it and verifies every read.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from raycl.data.manifest import (
    PREPARE_AGAIN,
    SPLITS,
    Manifest,
    Shard,
    SplitName,
    load_manifest,
)
from raycl.errors import InputError
from raycl.storage import Storage

HEADER_BYTES = 128
_SMALL_CORPUS_BYTES = 256 * 2**20
_KEPT_CHECKSUMS = 16
"""Shards whose checksums a reader keeps, the latest: all of 300B tokens would be 0.6 GB a rank."""
_NPY_MAGIC = b"\x93NUMPY\x01\x00"


def write_shard(
    storage: Storage, folder: str, split: SplitName, number: int, rows: np.ndarray, key: str = ""
) -> Shard:
    """Write rows [count, row_length] (uint16 or uint32) as shard `number` of the split.

    `key` names what the shard is made from: shards made from something else lie elsewhere.
    """
    file = f"{split}/{key}/{number:05d}.npy" if key else f"{split}/{number:05d}.npy"
    little_endian = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    data = b"".join([_header(little_endian), little_endian.data])
    checksums = io.BytesIO()
    np.save(checksums, _row_checksums(little_endian))
    storage.write_bytes(_checksum_path(f"{folder}/{file}"), checksums.getvalue())
    storage.write_bytes(f"{folder}/{file}", data)
    return Shard(file, len(rows), hashlib.sha256(data).hexdigest())


def verify_corpus(storage: Storage, folder: str, manifest: Manifest | None = None) -> Manifest:
    """Read every shard and compare its SHA-256 and the checksums of its rows. Raises InputError.

    `manifest` is that of the folder, where it has been read already.
    """
    manifest = manifest or load_manifest(storage, folder)
    for name in SPLITS:
        reader = CorpusReader(storage, folder, manifest, name)
        first = 0
        for shard in manifest.split(name).shards:
            path = f"{folder}/{shard.file}"
            reader.read(first, shard.rows)  # its error names the row, which a SHA-256 cannot
            if hashlib.sha256(storage.read_bytes(path)).hexdigest() != shard.sha256:
                raise InputError(
                    storage.full_path(path), "its SHA-256 is not the manifest's", PREPARE_AGAIN
                )
            first += shard.rows
    return manifest


def check_shards(storage: Storage, folder: str, manifest: Manifest | None = None) -> None:
    """Check what takes seconds only: all of a small corpus, of a large one the size of each shard.

    `manifest` is that of the folder, where it has been read already. Raises InputError that names
    the shard. Training verifies every row that it reads in any case.
    """
    manifest = manifest or load_manifest(storage, folder)
    shards = [*manifest.train.shards, *manifest.validation.shards]
    row_bytes = manifest.row_length * np.dtype(manifest.dtype).itemsize
    if sum(shard.rows for shard in shards) * row_bytes <= _SMALL_CORPUS_BYTES:
        verify_corpus(storage, folder, manifest)
        return
    for shard in shards:
        path = f"{folder}/{shard.file}"
        expected = HEADER_BYTES + shard.rows * row_bytes
        found = storage.size(path) if storage.exists(path) else 0
        if found != expected:
            raise InputError(
                storage.full_path(path), f"{found} bytes where {expected} belong", PREPARE_AGAIN
            )


class CorpusReader:
    """Verified reads of contiguous rows of one split. Its cache of checksums is not pickled."""

    def __init__(
        self, storage: Storage, folder: str, manifest: Manifest, split: SplitName = "train"
    ) -> None:
        self._storage, self._folder = storage, folder
        self._shards = manifest.split(split).shards
        self._dtype = np.dtype(manifest.dtype).newbyteorder("<")
        self.row_length = manifest.row_length
        # Row number at which each shard begins, and the number of all rows at the end.
        self._begins = np.cumsum([0, *(shard.rows for shard in self._shards)])
        self._checksums: dict[str, np.ndarray] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_checksums": {}}

    @property
    def rows(self) -> int:
        """Rows in this split."""
        return int(self._begins[-1])

    def read(self, first: int, count: int) -> np.ndarray:
        """Rows [first, first + count) as [count, row_length], by one range read for each shard.

        Raises ValueError outside the split, InputError where a shard is damaged or missing.
        """
        if first < 0 or count < 0 or first + count > self.rows:
            raise ValueError(f"rows [{first}, {first + count}) are not within [0, {self.rows})")
        result = np.empty((count, self.row_length), dtype=self._dtype)
        filled = 0
        for shard, begin, length in self._pieces(first, count):
            result[filled : filled + length] = self._read_shard(shard, begin, length)
            filled += length
        return result

    def _pieces(self, first: int, count: int) -> Iterator[tuple[Shard, int, int]]:
        index = int(np.searchsorted(self._begins, first, side="right")) - 1
        while count > 0:
            begin = first - int(self._begins[index])
            length = min(count, self._shards[index].rows - begin)
            if length:
                yield self._shards[index], begin, length
            index, first, count = index + 1, first + length, count - length

    def _read_shard(self, shard: Shard, begin: int, count: int) -> np.ndarray:
        path = f"{self._folder}/{shard.file}"
        expected = self._row_checksums(shard)[begin : begin + count]
        row_bytes = self.row_length * self._dtype.itemsize
        try:
            data = self._storage.read_range(
                path, HEADER_BYTES + begin * row_bytes, count * row_bytes
            )
        except FileNotFoundError as error:
            raise self._damaged(path, "the file is missing") from error
        if len(data) < count * row_bytes:
            raise self._damaged(path, f"the file ends in row {begin + len(data) // row_bytes}")
        rows = np.frombuffer(data, dtype=self._dtype).reshape(count, self.row_length)
        wrong = np.flatnonzero(_row_checksums(rows) != expected)
        if len(wrong):
            raise self._damaged(path, f"row {begin + int(wrong[0])} does not match its checksum")
        return rows

    def _row_checksums(self, shard: Shard) -> np.ndarray:
        if shard.file not in self._checksums:
            path = _checksum_path(f"{self._folder}/{shard.file}")
            try:
                checksums = np.load(io.BytesIO(self._storage.read_bytes(path)))
            except FileNotFoundError as error:
                raise self._damaged(path, "the file of row checksums is missing") from error
            except (ValueError, EOFError) as error:
                raise self._damaged(path, f"not a NumPy file ({error})") from error
            if checksums.shape != (shard.rows,):
                raise self._damaged(
                    path, f"it holds {checksums.size} checksums for {shard.rows} rows"
                )
            while len(self._checksums) >= _KEPT_CHECKSUMS:
                del self._checksums[next(iter(self._checksums))]
            self._checksums[shard.file] = checksums
        return self._checksums[shard.file]

    def _damaged(self, path: str, problem: str) -> InputError:
        return InputError(self._storage.full_path(path), problem, PREPARE_AGAIN)


def _checksum_path(shard_path: str) -> str:
    return shard_path.removesuffix(".npy") + ".crc32.npy"


def _row_checksums(rows: np.ndarray) -> np.ndarray:
    return np.array([zlib.crc32(row) for row in np.ascontiguousarray(rows)], dtype=np.uint32)


def _header(rows: np.ndarray) -> bytes:
    """A header of version 1.0, padded to a fixed length.

    The header that NumPy writes may change in length with its version.
    """
    fields = {"descr": rows.dtype.str, "fortran_order": False, "shape": rows.shape}
    length = HEADER_BYTES - len(_NPY_MAGIC) - 2
    text = repr(fields).ljust(length - 1) + "\n"
    return _NPY_MAGIC + length.to_bytes(2, "little") + text.encode("latin1")
