"""Copies the part of a chunk that lies in a box from the chunk's bytes into the box's tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from raycl.states.tensor_index import ITEM_BYTES, Box, Chunk


@dataclass(frozen=True)
class Runs:
    """Bytes that lie one after another in a chunk and in a tensor alike.

    `sources` and `targets` are [runs] int64, the first byte of each run in the chunk and in the
    tensor. They rise, and all runs have the same `length` in bytes.
    """

    sources: np.ndarray
    targets: np.ndarray
    length: int

    @property
    def span(self) -> tuple[int, int]:
        """The bytes [begin, end) of the chunk between which all runs lie."""
        return int(self.sources[0]), int(self.sources[-1]) + self.length

    def copy(self, data: memoryview, begin: int, target: np.ndarray) -> None:
        """Copy what lies in `data`, the chunk's bytes from `begin` on; `target` is [bytes]."""
        end = begin + len(data)
        first = int(np.searchsorted(self.sources, begin - self.length, side="right"))
        last = int(np.searchsorted(self.sources, end, side="left"))
        found = np.frombuffer(data, np.uint8)
        for source, place in zip(self.sources[first:last], self.targets[first:last], strict=True):
            low, high = max(int(source), begin), min(int(source) + self.length, end)
            into = int(place) - int(source)
            target[low + into : high + into] = found[low - begin : high - begin]


def runs_between(chunk: Chunk, box: Box) -> Runs:
    """The runs that the chunk and a row-major tensor of the numbers in `box` have in common."""
    both = chunk.box.overlap(box)
    item = ITEM_BYTES[chunk.dtype]
    # Trailing dimensions that both hold whole belong to one run.
    inner = len(both.sizes)
    while inner and both.sizes[inner - 1] == chunk.box.sizes[inner - 1] == box.sizes[inner - 1]:
        inner -= 1
    outer = both.sizes[: max(inner - 1, 0)]
    length = prod(both.sizes[max(inner - 1, 0) :]) * item
    return Runs(_places(both, chunk.box, outer) * item, _places(both, box, outer) * item, length)


def _places(part: Box, container: Box, outer: Sequence[int]) -> np.ndarray:
    """The first number of each run of `part` in the row-major numbers of `container`."""
    strides = [prod(container.sizes[axis + 1 :]) for axis in range(len(container.sizes))]
    first = sum(
        (a - b) * stride
        for a, b, stride in zip(part.offsets, container.offsets, strides, strict=True)
    )
    places = np.full((1,), first, dtype=np.int64)
    for size, stride in zip(outer, strides, strict=False):
        places = (places[:, None] + np.arange(size, dtype=np.int64) * stride).reshape(-1)
    return places
