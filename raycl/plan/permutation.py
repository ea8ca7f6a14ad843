"""A bijection of 0 … size − 1 for every key, computed for single numbers: no list is made.

The numbers are a grid of a columns, a = ⌈√size⌉, and b rows. Rounds of a generalised Feistel
network add to the column a hash of the row, and to the row a hash of the column, so that each round
is a bijection of the grid. Where the grid is larger than `size`, a number that falls outside is
mapped again until it is inside (cycle walking). Both are of Black and Rogaway, "Ciphers with
Arbitrary Finite Domains", CT-RSA 2002, §§3 and 5. The hash is the finaliser of SplitMix64 (Steele,
Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]

_ROUNDS = 4
"""Rounds of two halves each. Four halves are enough on large domains (Luby and Rackoff 1988); the
small ones here have eight."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(numbers: Numbers) -> Numbers:
    """A bijection of 64-bit numbers after which near ones have nothing in common."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def subkeys(keys: Numbers, numbers: Numbers) -> Numbers:
    """A key of its own for each of the numbers."""
    return mixed(keys + (numbers + np.uint64(1)) * _GOLDEN)


def permuted(numbers: Numbers, size: int, keys: Numbers) -> Numbers:
    """Where the bijection of each number's key takes it; all in 0 … size − 1, size below 2^62.

    `keys` has one key for all numbers, or one for each.
    """
    columns = max(isqrt(size - 1) + 1, 1)
    grid = np.uint64(columns), np.uint64(-(-size // columns))
    keys = np.broadcast_to(keys, numbers.shape)
    found = _shuffled(numbers, grid, keys)
    while (outside := found >= np.uint64(size)).any():
        found[outside] = _shuffled(found[outside], grid, keys[outside])
    return found


def _shuffled(numbers: Numbers, grid: tuple[np.uint64, np.uint64], keys: Numbers) -> Numbers:
    columns, rows = grid
    row, column = np.divmod(numbers, columns)
    for half in range(0, 2 * _ROUNDS, 2):
        column = (column + subkeys(keys + np.uint64(half), row) % columns) % columns
        row = (row + subkeys(keys + np.uint64(half + 1), column) % rows) % rows
    return row * columns + column
