"""One rank's file of a state: a safetensors file that is written as a stream and hashed on the way.

A safetensors file is eight bytes with the length of a header, the header as JSON, and the tensors'
numbers. The header says in the form of PyTorch's distributed checkpoints where each part lies in
its tensor, so that their reader for Hugging Face's format opens a state as well.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from raycl.plan.holding import Holding
from raycl.states.mark import FileFacts
from raycl.states.tensor_index import BLOCK_BYTES, ITEM_BYTES, Box, Chunk
from raycl.storage.crc32 import joined_crc32

Pieces = Callable[[], Iterable[bytes | memoryview]]
_ALIGNMENT = 64
"""Bytes: the numbers of the first tensor begin at a multiple of it."""


@dataclass(frozen=True)
class Part:
    """A part of the tensor `tensor` that is to be written; see `Chunk`."""

    tensor: str
    dtype: str
    shape: tuple[int, ...]
    box: Box

    @property
    def bytes(self) -> int:
        """Its length."""
        return self.box.count * ITEM_BYTES[self.dtype]


def in_file_order(parts: Iterable[Part]) -> list[Part]:
    """The parts in the order in which a file has them.

    Wide numbers come first, so that each begins at a multiple of its size; then weights, of which a
    hand-off reads one range; then each of AdamW's moments.
    """

    def place(part: Part) -> tuple[int, str]:
        moment = part.tensor.split(".")[1] if part.tensor.startswith("optimizer.") else ""
        return -ITEM_BYTES[part.dtype], moment

    return sorted(parts, key=place)


def shard_name(rank: int, holds: Holding = "all") -> str:
    """The file of a rank, as PyTorch's distributed checkpoints call it: they count from one.

    Weights without the optimizer have another name, so that they can lie beside the whole state
    until a mark says which of the two counts.
    """
    kind = "shard" if holds == "all" else "weights"
    return f"{kind}-{rank + 1:05d}-model-00001-of-00001.safetensors"


class Shard:
    """The content of one file. `pieces` gives the numbers of all parts, one after another."""

    def __init__(self, file: str, parts: Sequence[Part], pieces: Pieces) -> None:
        self.file, self.parts, self._pieces = file, parts, pieces
        self._crc32s: list[list[int]] = []

    @cached_property
    def header(self) -> bytes:
        """The bytes of the file before the first number."""
        return header_bytes(self.parts)

    @property
    def size(self) -> int:
        """The bytes of the whole file."""
        return len(self.header) + sum(part.bytes for part in self.parts)

    def content(self) -> Iterator[bytes | memoryview]:
        """The file's bytes, which are hashed as they pass. A further call begins anew."""
        self._crc32s = []
        yield self.header
        blocks = BlockChecksums([part.bytes for part in self.parts])
        for piece in self._pieces():
            blocks.add(memoryview(piece))
            yield piece
        self._crc32s = blocks.finish()

    def facts(self) -> FileFacts:
        """Size and checksum of the file, once `content` has been read to its end."""
        crc32 = zlib.crc32(self.header)
        for part, blocks in zip(self.parts, self._crc32s, strict=True):
            for value, length in zip(blocks, block_lengths(part.bytes), strict=True):
                crc32 = joined_crc32(crc32, value, length)
        return FileFacts(bytes=self.size, crc32=crc32)

    def chunks(self) -> list[Chunk]:
        """Where the parts lie, once `content` has been read to its end."""
        ends = accumulate((part.bytes for part in self.parts), initial=len(self.header))
        return [
            Chunk(part.tensor, part.dtype, part.shape, self.file, begin, part.box, tuple(crc32s))
            for part, begin, crc32s in zip(self.parts, ends, self._crc32s, strict=False)
        ]


def header_bytes(parts: Sequence[Part]) -> bytes:
    """The header of a file of these parts, its length in front."""
    places = {part.tensor: {"saved_offsets": list(part.box.offsets)} for part in parts}
    metadata = {"format": "pt", "DCP_VERSION": "1.0", "DCP_SHARDING_INFO": json.dumps(places)}
    return safetensors_header(((p.tensor, p.dtype, p.box.sizes) for p in parts), metadata)


def safetensors_header(
    tensors: Iterable[tuple[str, str, Sequence[int]]], metadata: dict[str, str]
) -> bytes:
    """The header of tensors with these names, types and shapes, its length in front."""
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, dtype, shape in tensors:
        begin, end = end, end + whole_bytes(dtype, shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def whole_bytes(dtype: str, shape: Sequence[int]) -> int:
    """The bytes of a tensor of this type and shape."""
    return Box((0,) * len(shape), tuple(shape)).count * ITEM_BYTES[dtype]


def block_lengths(size: int) -> Iterator[int]:
    """The bytes of each block of a chunk of `size` bytes."""
    return (min(BLOCK_BYTES, size - begin) for begin in range(0, size, BLOCK_BYTES))


class BlockChecksums:
    """Checksums of the blocks of parts, from pieces that are cut in any other way."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._lengths = [list(block_lengths(size)) for size in sizes]
        self._flat = [length for lengths in self._lengths for length in lengths]
        self._done: list[int] = []
        self._value, self._in_block = 0, 0

    def add(self, piece: memoryview) -> None:
        """Hash the next bytes."""
        while piece:
            room = self._flat[len(self._done)] - self._in_block
            self._value = zlib.crc32(piece[:room], self._value)
            self._in_block += min(room, len(piece))
            piece = piece[room:]
            if self._in_block == self._flat[len(self._done)]:
                self._done.append(self._value)
                self._value, self._in_block = 0, 0

    def finish(self) -> list[list[int]]:
        """Of each part the checksums of its blocks. Raises ValueError where bytes are missing."""
        if len(self._done) != len(self._flat):
            raise ValueError(f"{len(self._done)} of {len(self._flat)} blocks were given")
        values = iter(self._done)
        return [[next(values) for _ in lengths] for lengths in self._lengths]
