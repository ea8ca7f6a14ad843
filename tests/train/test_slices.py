"""Parts of stored tensors: cut and joined in any way, and each block verified."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load

from raycl.errors import InputError
from raycl.states.mark import FileFacts
from raycl.states.tensor_index import BLOCK_BYTES, Box, Chunk, TensorIndex, index_table, whole
from raycl.storage import Storage
from raycl.storage.checksum import checksum
from raycl.train.checkpoint.runs import runs_between
from raycl.train.checkpoint.shard import Part, Shard, shard_name
from raycl.train.checkpoint.slices import READ_BYTES, Slice, read_slices
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.parallel.boxes import NAMES, flat_bytes
from tests.helpers.counting_storage import CountingStorage
from tests.helpers.state_marks import state_mark

NAME = "000000004-" + "a" * 32
STATE = StoredState(NAME, 4, state_mark(NAME))


@st.composite
def boxes(draw: st.DrawFn) -> tuple[tuple[int, ...], Box, Box]:
    """A shape and two boxes in it."""
    shape = tuple(draw(st.lists(st.integers(1, 6), max_size=4)))
    found = []
    for _ in range(2):
        ends = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
        found.append(Box(tuple(a for a, _ in ends), tuple(b - a for a, b in ends)))
    return shape, found[0], found[1]


def cut(tensor: torch.Tensor, box: Box) -> torch.Tensor:
    return tensor[tuple(slice(o, o + n) for o, n in zip(box.offsets, box.sizes, strict=True))]


@given(boxes(), st.integers(1, 40))
def test_what_a_chunk_and_a_box_share_is_copied(
    case: tuple[tuple[int, ...], Box, Box], window: int
) -> None:
    shape, stored, wanted = case
    if not stored.overlap(wanted).count:
        return
    values = torch.arange(np.prod(shape, dtype=int), dtype=torch.int16).view(shape)
    chunk = Chunk("t", "I16", shape, "file", 0, stored, ())
    data = flat_bytes(cut(values, stored).contiguous()).numpy()
    runs, target = runs_between(chunk, wanted), torch.full(wanted.sizes, -1, dtype=torch.int16)
    begin, end = runs.span
    for first in range(begin, end, window):
        part = data[first : min(first + window, end)].data
        runs.copy(part, first, flat_bytes(target).numpy())
    expected = torch.full(shape, -1, dtype=torch.int16)
    cut(expected, stored).copy_(cut(values, stored))
    assert torch.equal(target, cut(expected, wanted))


TENSORS = {
    "model.big": torch.randn(3000, 1100),
    "model.scalar": torch.tensor(5),
    "model.half": torch.randn(7, 3).bfloat16(),
    "model.empty": torch.empty(0, 4),
    "model.flags": torch.tensor([True, False]),
}
BIG_BYTES = 3000 * 1100 * 4


def shards(halves: tuple[int, ...] = (0, 1700, 3000)) -> list[Shard]:
    """The tensors in as many files as there are parts of the big one; the others in the first."""
    found = []
    for rank, (first, last) in enumerate(pairwise(halves)):
        box = Box((first, 0), (last - first, 1100))
        parts = [Part("model.big", "F32", (3000, 1100), box)]
        if rank == 0:
            others = {n: t for n, t in TENSORS.items() if n != "model.big"}
            parts += [
                Part(n, NAMES[t.dtype], tuple(t.shape), whole(t.shape)) for n, t in others.items()
            ]

        def pieces(parts: list[Part] = parts) -> list[memoryview]:
            data = [flat_bytes(cut(TENSORS[p.tensor], p.box).contiguous()) for p in parts]
            joined = torch.cat(data).numpy()
            return [joined[at : at + 999_999].data for at in range(0, len(joined), 999_999)]

        found.append(Shard(shard_name(rank), parts, pieces))
    return found


@pytest.fixture
def stored(tmp_path: Path) -> tuple[CountingStorage, TensorIndex]:
    storage = CountingStorage(str(tmp_path / "storage"), str(tmp_path / "log"))
    chunks: list[Chunk] = []
    for shard in shards():
        storage.write_stream(STATE.path(shard.file), shard.content, shard.size)
        path = Path(storage.full_path(STATE.path(shard.file)))
        assert shard.facts() == FileFacts(bytes=path.stat().st_size, crc32=checksum(path))
        chunks += shard.chunks()
    return storage, TensorIndex(index_table(chunks), "index")


def read(storage: Storage, index: TensorIndex, name: str, box: Box) -> torch.Tensor:
    target = torch.empty(box.sizes, dtype=TENSORS[name].dtype)
    read_slices(storage, STATE, index, [Slice(name, box, target)])
    return target


def test_any_part_of_a_stored_tensor(stored: tuple[CountingStorage, TensorIndex]) -> None:
    for name, tensor in TENSORS.items():
        assert torch.equal(read(*stored, name, whole(tensor.shape)), tensor)
    for box in (Box((1600, 0), (300, 1100)), Box((2, 5), (2990, 7)), Box((2999, 1099), (1, 1))):
        assert torch.equal(read(*stored, "model.big", box), cut(TENSORS["model.big"], box))


def test_what_is_read_is_what_was_asked_for_and_its_blocks(
    stored: tuple[CountingStorage, TensorIndex],
) -> None:
    storage, index = stored
    box = Box((100, 0), (200, 1100))
    read(storage, index, "model.big", box)
    assert sum(storage.reads()) <= box.count * 4 + 2 * BLOCK_BYTES
    Path(storage.log).write_text("")
    read_slices(
        storage,
        STATE,
        index,
        [Slice(n, whole(t.shape), torch.empty_like(t)) for n, t in TENSORS.items()],
    )
    assert sum(storage.reads()) < BIG_BYTES + 1000  # headers are not read
    assert max(storage.reads()) <= READ_BYTES
    assert len(storage.reads()) == 2  # what lies beside each other is read at once


def test_a_flipped_bit_is_found_where_it_is_read_and_only_there(
    stored: tuple[CountingStorage, TensorIndex],
) -> None:
    storage, index = stored
    file = Path(storage.full_path(STATE.path(shard_name(0))))
    (chunk,) = index.chunks("model.big", Box((0, 0), (1, 1100)))
    with file.open("r+b") as stream:
        stream.seek(chunk.begin + BLOCK_BYTES + 17)
        byte = stream.read(1)[0]
        stream.seek(-1, 1)
        stream.write(bytes([byte ^ 4]))
    rows = BLOCK_BYTES // 4400
    clean = Box((0, 0), (rows, 1100))
    assert torch.equal(read(storage, index, "model.big", clean), cut(TENSORS["model.big"], clean))
    with pytest.raises(InputError, match=rf"{file.name}: it does not match its checksum"):
        read(storage, index, "model.big", Box((0, 0), (rows + 1, 1100)))
    file.unlink()
    with pytest.raises(InputError, match=rf"{file.name}: the file is missing"):
        read(storage, index, "model.big", clean)


def test_other_programs_read_the_files(stored: tuple[CountingStorage, TensorIndex]) -> None:
    folder = Path(stored[0].full_path(f"states/{NAME}"))
    first, second = (load_file(folder / shard_name(rank)) for rank in (0, 1))
    assert torch.equal(torch.cat([first["model.big"], second["model.big"]]), TENSORS["model.big"])
    assert torch.equal(first["model.half"], TENSORS["model.half"])
    found = {name: torch.zeros_like(tensor) for name, tensor in TENSORS.items() if tensor.numel()}
    load(found, storage_reader=HuggingFaceStorageReader(str(folder)), no_dist=True)
    assert all(torch.equal(found[name], TENSORS[name]) for name in found)


def test_a_shard_that_is_given_too_few_bytes_is_no_shard() -> None:
    shard = Shard("file", [Part("a", "F32", (4,), whole((4,)))], lambda: [bytes(12)])
    with pytest.raises(ValueError, match="0 of 1 blocks"):
        list(shard.content())
