"""The order in which a corpus' rows are read: as they are stored, and in each later epoch another.

Positions count on over the epochs: position p is place p mod rows of epoch ⌊p / rows⌋. In the first
epoch place and row are the same. In every later one a row is found from its place, the epoch and
the corpus' seed alone, so that any step is found without those before it:

- the rows are turned by a number of the epoch's own, and cut into blocks from there;
- whole blocks are permuted, and so are the rows in each; what does not fill a block comes last.

Rows of a block are read within a few steps of each other. So a reader that takes several steps at a
time gets a block by one request, where single rows would need a request each. Turning makes other
blocks in each epoch.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from raycl.plan.permutation import permuted, subkeys

Rows = NDArray[np.int64]

MOST_BLOCK_ROWS = 64
"""Rows of a block of a large corpus; of 2,048 tokens each they are 256 KiB. A corpus of few rows
has as many blocks as rows in each."""


def rows_at(start: int, stop: int, rows: int, seed: int) -> Rows:
    """The rows at the positions start … stop − 1 of a corpus of `rows` rows."""
    parts = [np.zeros(0, dtype=np.int64)]
    while start < stop:
        count = min(stop - start, rows - start % rows)
        parts.append(
            reordered(start, count, rows, seed)[0] if start >= rows else _range(start, count)
        )
        start += count
    return np.concatenate(parts)


def reordered(start: int, count: int, rows: int, seed: int) -> tuple[Rows, Rows]:
    """The rows at `count` positions of a later epoch, and for each the number of its block.

    Rows with one number lie within as many rows as a block has. No two epochs have a number in
    common. The positions are within one epoch.
    """
    epoch, place = divmod(start, rows)
    key = _key(seed, epoch)
    turned, block = _turned(_range(place, count), rows, key)
    behind = turned >= rows  # a block that is cut by the corpus' end is two
    number = 2 * (epoch * (rows + 1) + block) + behind
    return turned % rows, number


def order_word(rows: int, seed: int) -> int:
    """What distinguishes the order of a corpus' later epochs, as a negative number of 64 bits."""
    return -1 - (_digest(f"order of later epochs 1: {rows} rows, seed {seed}") >> 1)


def _range(first: int, count: int) -> Rows:
    return np.arange(first, first + count, dtype=np.int64)


def _turned(places: Rows, rows: int, key: int) -> tuple[Rows, Rows]:
    """The rows at places of a later epoch, not yet modulo `rows`, and their blocks."""
    size = max(1, min(MOST_BLOCK_ROWS, isqrt(rows)))
    whole = rows // size
    keys, numbers = np.array([key], dtype=np.uint64), places.astype(np.uint64)
    block, inside = np.divmod(numbers, np.uint64(size))
    # What does not fill a block is one of its own, smaller, behind the others.
    last = block == whole
    block[~last] = permuted(block[~last], whole, keys)
    own = subkeys(keys, block)
    inside[~last] = permuted(inside[~last], size, own[~last])
    inside[last] = permuted(inside[last], max(rows - whole * size, 1), own[last])
    turned = (block * np.uint64(size) + inside).astype(np.int64) + key % rows
    return turned, block.astype(np.int64)


@lru_cache(maxsize=1024)
def _key(seed: int, epoch: int) -> int:
    return _digest(f"epoch {epoch} of seed {seed}")


def _digest(text: str) -> int:
    """A text as a number of 64 bits."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
