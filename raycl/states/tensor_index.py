"""index.parquet of a state: where each part of its tensors lies, and the checksums of its blocks.

A tensor is stored in chunks, boxes that together cover it once. A chunk's numbers lie one after
another, in row-major order, in one safetensors file. Each block of `BLOCK_BYTES` of a chunk (the
last one is shorter) has its own CRC-32, so that whoever reads a part of it can verify that part.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raycl.errors import InputError
from raycl.states.mark import REMEDY

BLOCK_BYTES = 4 * 2**20
ITEM_BYTES: Mapping[str, int] = {
    **dict.fromkeys(("F64", "I64"), 8),
    **dict.fromkeys(("F32", "I32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL"), 1),
}
"""Bytes of one number of each type that a state may hold, by its name in safetensors."""
_COUNTS = pa.list_(pa.int64())
_NAME = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    {
        "tensor": _NAME,
        "dtype": _NAME,
        "shape": _COUNTS,
        "file": _NAME,
        "begin": pa.int64(),
        "offsets": _COUNTS,
        "sizes": _COUNTS,
        "crc32": pa.list_(pa.uint32()),
    }
)


@dataclass(frozen=True)
class Box:
    """A part of a tensor: `sizes` numbers from `offsets` on, along each dimension."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def count(self) -> int:
        """The numbers in it."""
        return prod(self.sizes)

    def overlap(self, other: Box) -> Box:
        """The numbers in both; where there are none, a size is 0."""
        begins = tuple(map(max, self.offsets, other.offsets))
        ends = (
            min(a + m, b + n)
            for a, m, b, n in zip(self.offsets, self.sizes, other.offsets, other.sizes, strict=True)
        )
        return Box(begins, tuple(max(0, e - b) for b, e in zip(begins, ends, strict=True)))


def row_boxes(shape: tuple[int, ...], most: int) -> Iterator[Box]:
    """Boxes that cover a tensor in order, of whole rows: `most` numbers each, or one row."""
    if not shape or prod(shape) <= most:
        yield whole(shape)
        return
    rows = max(1, most // prod(shape[1:]))
    for first in range(0, shape[0], rows):
        count = min(rows, shape[0] - first)
        yield Box((first, *(0,) * (len(shape) - 1)), (count, *shape[1:]))


def whole(shape: Iterable[int]) -> Box:
    """The box that is a whole tensor."""
    sizes = tuple(shape)
    return Box((0,) * len(sizes), sizes)


@dataclass(frozen=True)
class Chunk:
    """A stored part of the tensor called `tensor`."""

    tensor: str
    dtype: str
    """The name that safetensors has for the type of its numbers."""
    shape: tuple[int, ...]
    """Of the whole tensor."""
    file: str
    begin: int
    """The place of its first byte in the file."""
    box: Box
    crc32: tuple[int, ...]
    """Of each block of its bytes."""

    @property
    def bytes(self) -> int:
        """Its length."""
        return self.box.count * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class TensorFacts:
    """A tensor of a state; its chunks are `rows` rows of the index from `first_row` on."""

    dtype: str
    shape: tuple[int, ...]
    first_row: int
    rows: int


class TensorIndex:
    """The tensors of a state by name, and the chunks in which they lie.

    Raises InputError, which names the file `where`, if the table is no such index.
    """

    def __init__(self, table: pa.Table, where: str) -> None:
        if not table.schema.equals(_SCHEMA):
            raise InputError(where, "not the index of a state's tensors", REMEDY)
        self._table, self._where = table.combine_chunks(), where

    @cached_property
    def tensors(self) -> Mapping[str, TensorFacts]:
        """Facts of each tensor, by its name."""
        names = self._table["tensor"].to_pylist()
        begins = [row for row, name in enumerate(names) if row == 0 or name != names[row - 1]]
        found = {}
        for begin, end in zip(begins, [*begins[1:], len(names)], strict=True):
            first = self._table.slice(begin, 1).to_pylist()[0]
            found[names[begin]] = TensorFacts(
                first["dtype"], tuple(first["shape"]), begin, end - begin
            )
        if len(found) != len(begins) or any(f.dtype not in ITEM_BYTES for f in found.values()):
            raise InputError(self._where, "not the index of a state's tensors", REMEDY)
        return found

    def chunks(self, name: str, box: Box) -> list[Chunk]:
        """The chunks of the tensor that hold a number of `box`, and cover it once.

        Raises InputError where they do not.
        """
        facts = self.tensors[name]
        rows = self._table.slice(facts.first_row, facts.rows)
        offsets, sizes = (self._numbers(rows[c], facts) for c in ("offsets", "sizes"))
        low = np.maximum(offsets, box.offsets)
        high = np.minimum(offsets + sizes, np.add(box.offsets, box.sizes))
        counts = np.clip(high - low, 0, None).prod(axis=1, dtype=np.int64)
        if counts.sum() != box.count:
            raise InputError(self._where, f"the state holds only a part of {name}", REMEDY)
        (taken,) = np.nonzero(counts)
        return [_chunk(row) for row in rows.take(pa.array(taken, pa.int64())).to_pylist()]

    def _numbers(self, column: pa.ChunkedArray, facts: TensorFacts) -> np.ndarray:
        """Lists of one number for each dimension as [rows, dimensions]."""
        values: np.ndarray = column.combine_chunks().flatten().to_numpy()
        if len(values) != facts.rows * len(facts.shape):
            raise InputError(self._where, "not the index of a state's tensors", REMEDY)
        return values.reshape(facts.rows, len(facts.shape))


def index_table(chunks: Iterable[Chunk]) -> pa.Table:
    """The table of an index; its rows are sorted by tensor, and then by place."""
    ordered = sorted(chunks, key=lambda chunk: (chunk.tensor, chunk.box.offsets))
    return pa.Table.from_pylist([_row(chunk) for chunk in ordered], schema=_SCHEMA)


def join_tables(tables: Iterable[pa.Table]) -> pa.Table:
    """One table of the chunks that several workers have written, sorted as `index_table` sorts."""
    joined = pa.concat_tables([table.unify_dictionaries() for table in tables])
    names = joined["tensor"].cast(pa.string())
    order = pa.compute.sort_indices(pa.table({"name": names}), sort_keys=[("name", "ascending")])
    return joined.unify_dictionaries().take(order)


def table_bytes(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def read_table(data: bytes, where: str) -> pa.Table:
    """The table in the bytes of a Parquet file, which `where` names. Raises InputError."""
    try:
        return pq.read_table(io.BytesIO(data)).cast(_SCHEMA)
    except (pa.ArrowException, ValueError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(where, f"not a readable Parquet file ({reason})", REMEDY) from error


def _row(chunk: Chunk) -> dict[str, Any]:
    return {
        "tensor": chunk.tensor,
        "dtype": chunk.dtype,
        "shape": chunk.shape,
        "file": chunk.file,
        "begin": chunk.begin,
        "offsets": chunk.box.offsets,
        "sizes": chunk.box.sizes,
        "crc32": chunk.crc32,
    }


def _chunk(row: Mapping[str, Any]) -> Chunk:
    box = Box(tuple(row["offsets"]), tuple(row["sizes"]))
    rest = {name: row[name] for name in ("tensor", "dtype", "file", "begin")}
    return Chunk(shape=tuple(row["shape"]), box=box, crc32=tuple(row["crc32"]), **rest)
