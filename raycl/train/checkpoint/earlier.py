"""States that were written before states had an index: it is made by reading their files once.

PyTorch's distributed checkpoint wrote them. The ranks share the files. Whoever reads a file
compares it with its checksum in the mark and notes the checksums of its blocks, so that what is
read of it afterwards can be verified like any other state.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from raycl.errors import InputError
from raycl.states.mark import REMEDY, FileFacts
from raycl.states.tensor_index import ITEM_BYTES, Box, Chunk, TensorIndex, index_table
from raycl.storage import Storage, layout
from raycl.train.checkpoint.shard import BlockChecksums
from raycl.train.checkpoint.slices import READ_BYTES, read_part
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.parallel.world import World

_SUFFIX = ".safetensors"


def index_of_earlier(storage: Storage, state: StoredState, world: World) -> TensorIndex:
    """The index of a state without one (collective). Raises InputError, which names the file."""
    files = sorted(file for file in state.mark.files if file.endswith(_SUFFIX))
    own = files[world.rank :: world.size]
    shares = world.everywhere(lambda: [_chunks(storage, state, file) for file in own])
    chunks = [chunk for share in shares for of_file in share for chunk in of_file]
    return TensorIndex(index_table(_with_shapes(chunks)), storage.full_path(_folder(state)))


def _folder(state: StoredState) -> str:
    return layout.state(state.name)


def _with_shapes(chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks with the shapes of their whole tensors, which no file tells by itself."""
    chunks = list(chunks)
    shapes: dict[str, tuple[int, ...]] = {}
    for chunk in chunks:
        known = shapes.get(chunk.tensor, chunk.shape)
        shapes[chunk.tensor] = tuple(map(max, known, chunk.shape))
    return [replace(chunk, shape=shapes[chunk.tensor]) for chunk in chunks]


def _chunks(storage: Storage, state: StoredState, file: str) -> list[Chunk]:
    """The chunks of a file that is as its mark says; each has the shape that it shows."""
    facts, where = state.mark.files[file], storage.full_path(state.path(file))
    start = read_part(storage, state, file, 0, 8)
    length = int.from_bytes(start, "little")
    if len(start) == 8 and 8 + length <= facts.bytes:
        start += read_part(storage, state, file, 8, length)
    try:
        places = _places(start[8:], facts.bytes - len(start))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # Whether a bit has flipped or another program wrote the file, its checksum tells.
        _rest(storage, state, file, start, BlockChecksums([facts.bytes - len(start)]))
        raise InputError(where, f"not a state of this model ({error})", REMEDY) from error
    blocks = BlockChecksums([end - begin for begin, end, *_ in places])
    crc32s = _rest(storage, state, file, start, blocks)
    return [
        Chunk(name, dtype, _shape(box), file, len(start) + begin, box, tuple(values))
        for (begin, _, name, dtype, box), values in zip(places, crc32s, strict=True)
    ]


def _shape(box: Box) -> tuple[int, ...]:
    return tuple(offset + size for offset, size in zip(box.offsets, box.sizes, strict=True))


def _rest(
    storage: Storage, state: StoredState, file: str, start: bytes, blocks: BlockChecksums
) -> list[list[int]]:
    """Read the file from the end of `start` on. Raises InputError unless its checksum is right."""
    facts, crc32 = state.mark.files[file], zlib.crc32(start)
    for begin in range(len(start), facts.bytes, READ_BYTES):
        data = read_part(storage, state, file, begin, min(READ_BYTES, facts.bytes - begin))
        blocks.add(memoryview(data))
        crc32 = zlib.crc32(data, crc32)
    if not _is(storage, state, file, facts, crc32):
        where = storage.full_path(state.path(file))
        raise InputError(where, "it does not match its checksum", REMEDY)
    return blocks.finish()


def _is(storage: Storage, state: StoredState, file: str, facts: FileFacts, crc32: int) -> bool:
    return crc32 == facts.crc32 and storage.size(state.path(file)) == facts.bytes


def _places(text: bytes, size: int) -> list[tuple[int, int, str, str, Box]]:
    """Begin, end, name, type and box of each tensor, in the order of their bytes.

    Raises one of several errors where it is no header of a file with `size` bytes of numbers.
    """
    header: dict[str, Any] = json.loads(text)
    metadata: Mapping[str, str] = header.pop("__metadata__", {})
    sharding = json.loads(metadata.get("DCP_SHARDING_INFO", "{}"))
    places = []
    for name, facts in header.items():
        sizes = tuple(facts["shape"])
        offsets = tuple(sharding.get(name, {}).get("saved_offsets", (0,) * len(sizes)))
        begin, end = facts["data_offsets"]
        box = Box(offsets, sizes)
        if len(offsets) != len(sizes) or end - begin != box.count * ITEM_BYTES[facts["dtype"]]:
            raise ValueError(f"its tensor {name} has other bytes than its shape takes")
        places.append((begin, end, name, facts["dtype"], box))
    places.sort(key=lambda place: place[:2])
    ends = [0, *(end for _, end, *_ in places)]
    if [begin for begin, *_ in places] != ends[:-1] or ends[-1] != size:
        raise ValueError("its tensors do not lie one after another")
    return places
