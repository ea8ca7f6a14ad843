"""The bijections: each number once, another order for each key, and nothing in common with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.plan.permutation import mixed, permuted, subkeys

KEYS = st.integers(0, 2**64 - 1)


def key(number: int) -> np.ndarray:
    return np.array([number], dtype=np.uint64)


def order(size: int, number: int) -> list[int]:
    return list(map(int, permuted(np.arange(size, dtype=np.uint64), size, key(number))))


@given(st.integers(1, 3000), KEYS)
def test_every_number_comes_once(size: int, number: int) -> None:
    assert sorted(order(size, number)) == list(range(size))


@given(st.integers(1, 2**50), KEYS, st.lists(st.integers(0, 2**50), min_size=1, max_size=20))
def test_a_number_alone_goes_where_it_goes_among_others(
    size: int, number: int, places: list[int]
) -> None:
    inside = np.array([place % size for place in places], dtype=np.uint64)
    together = permuted(inside, size, key(number))
    alone = [permuted(inside[i : i + 1], size, key(number))[0] for i in range(len(inside))]
    assert together.tolist() == alone
    assert (together < size).all()
    assert len(set(together.tolist())) == len(set(inside.tolist()))


def test_each_number_has_its_own_key() -> None:
    numbers = np.repeat(np.arange(64, dtype=np.uint64), 50)
    keys = np.tile(subkeys(key(7), np.arange(50, dtype=np.uint64)), 64)
    found = permuted(numbers, 64, keys).reshape(64, 50)
    assert np.sort(found, axis=0).T.tolist() == 50 * [list(range(64))]
    assert len({tuple(column) for column in found.T.tolist()}) == 50


@pytest.mark.parametrize("size", [5, 8, 64, 100])
def test_keys_take_a_number_everywhere_alike_often(size: int) -> None:
    """Chi-squared of (number, place) over many keys: its mean is the degrees of freedom."""
    keys = subkeys(key(1), np.arange(200 * size, dtype=np.uint64))
    for number in (0, 1, size - 1):
        found = permuted(np.full(len(keys), number, dtype=np.uint64), size, keys)
        counts = np.bincount(found.astype(np.int64), minlength=size)
        chi = ((counts - 200) ** 2 / 200).sum()
        assert abs(chi - (size - 1)) < 5 * (2 * (size - 1)) ** 0.5


def test_neighbours_are_taken_apart() -> None:
    """Like a random order: the mean distance of neighbours is a third of the size."""
    distances = np.abs(np.diff(order(10_000, 3)))
    assert abs(distances.mean() / 10_000 - 1 / 3) < 0.01
    assert abs(np.corrcoef(order(10_000, 3), order(10_000, 4))[0, 1]) < 0.05
    assert abs(np.corrcoef(order(10_000, 3), np.arange(10_000))[0, 1]) < 0.05


def test_the_hash_is_that_of_splitmix64() -> None:
    """The first numbers of the published generator with the seed 1234567."""
    seeds = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert mixed(seeds).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_orders_are_what_they_were() -> None:
    """Rows of stored states were read in these orders: they never change."""
    assert order(10, 1) == [1, 3, 7, 8, 5, 6, 2, 4, 0, 9]
