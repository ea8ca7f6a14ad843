"""The index of a state's tensors: what it finds, and what it refuses."""

from __future__ import annotations

import pyarrow as pa
import pytest

from raycl.errors import InputError
from raycl.states.tensor_index import (
    Box,
    Chunk,
    TensorIndex,
    index_table,
    join_tables,
    read_table,
    table_bytes,
    whole,
)


def chunk(tensor: str, first: int, rows: int, file: str = "a", total: int = 10) -> Chunk:
    return Chunk(tensor, "F32", (total, 3), file, 64, Box((first, 0), (rows, 3)), (7, 8))


def index(*chunks: Chunk) -> TensorIndex:
    return TensorIndex(read_table(table_bytes(index_table(chunks)), "file"), "file")


def test_it_gives_the_chunks_that_hold_a_box() -> None:
    ranks = [[chunk("w", 0, 4), chunk("b", 0, 10)], [chunk("w", 8, 2, "b"), chunk("w", 4, 4, "b")]]
    table = join_tables(index_table(chunks) for chunks in ranks)
    found = TensorIndex(read_table(table_bytes(table), "file"), "file")
    assert {name: facts.shape for name, facts in found.tensors.items()} == {
        "b": (10, 3),
        "w": (10, 3),
    }
    assert {c.box.offsets[0] for c in found.chunks("w", Box((3, 1), (3, 2)))} == {0, 4}
    assert found.chunks("w", Box((8, 0), (2, 3))) == [chunk("w", 8, 2, "b")]
    assert found.chunks("w", Box((5, 0), (0, 3))) == []
    assert len(found.chunks("w", whole((10, 3)))) == 3


def test_scalars_and_empty_tensors() -> None:
    scalar = Chunk("s", "I64", (), "a", 0, whole(()), (1,))
    empty = Chunk("e", "F32", (0, 4), "a", 8, whole((0, 4)), ())
    found = index(scalar, empty)
    assert found.chunks("s", whole(())) == [scalar]
    assert found.chunks("e", whole((0, 4))) == []


def test_a_part_that_is_missing_or_twice_there_is_refused() -> None:
    for chunks in ([chunk("w", 0, 4)], [chunk("w", 0, 10), chunk("w", 5, 5)]):
        with pytest.raises(InputError, match="the state holds only a part of w"):
            index(*chunks).chunks("w", Box((3, 0), (7, 3)))


@pytest.mark.parametrize("data", [b"", b"PAR1 and more"])
def test_another_file_in_its_place(data: bytes) -> None:
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_table(data, "file")


def test_another_table_in_its_place() -> None:
    with pytest.raises(InputError, match="Parquet"):
        read_table(table_bytes(pa.table({"step": [1]})), "file")
    unknown = Chunk("w", "F4", (2,), "a", 0, whole((2,)), (1,))
    with pytest.raises(InputError, match="not the index of a state's tensors"):
        assert index(unknown).tensors
