"""The order of rows over epochs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.epochs import MOST_BLOCK_ROWS, order_word, reordered, rows_at

ROWS = st.one_of(st.integers(1, 300), st.integers(4000, 9000))
SEEDS = st.integers(0, 2**63 - 1)


@given(ROWS, SEEDS)
def test_the_first_epoch_is_the_stored_order(rows: int, seed: int) -> None:
    assert rows_at(0, rows, rows, seed).tolist() == list(range(rows))


@given(ROWS, SEEDS, st.integers(1, 10**6))
def test_every_epoch_has_every_row_once(rows: int, seed: int, epoch: int) -> None:
    assert sorted(rows_at(epoch * rows, epoch * rows + rows, rows, seed)) == list(range(rows))


@settings(max_examples=40)
@given(ROWS, SEEDS, st.integers(0, 50_000), st.integers(0, 30))
def test_a_piece_is_read_as_in_the_whole(rows: int, seed: int, start: int, count: int) -> None:
    piece = rows_at(start, start + count, rows, seed).tolist()
    assert piece == [int(rows_at(p, p + 1, rows, seed)[0]) for p in range(start, start + count)]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {
        tuple(rows_at(epoch * 500, epoch * 500 + 500, 500, seed).tolist())
        for epoch in range(5)
        for seed in (0, 1)
    }
    assert len(orders) == 9  # the first epoch has the stored order for every seed


def test_an_epoch_begins_and_ends_anywhere() -> None:
    """Also with the rows that fill no block: turning makes them others in each epoch."""
    rows = 64 * 70 + 30
    ends = [rows_at((epoch + 1) * rows - 30, (epoch + 1) * rows, rows, 0) for epoch in range(1, 40)]
    assert len({int(end.min()) for end in ends}) > 30
    firsts = [int(rows_at(epoch * rows, epoch * rows + 1, rows, 0)[0]) for epoch in range(1, 400)]
    assert abs(np.mean(firsts) / rows - 0.5) < 0.06


def test_neighbours_in_reading_lie_within_a_block() -> None:
    rows = 100_000
    found = rows_at(rows + 64, rows + 128, rows, 5)
    assert found.max() - found.min() == MOST_BLOCK_ROWS - 1
    assert found.tolist() != sorted(found.tolist())
    assert len(set((rows_at(rows, 2 * rows, rows, 5) - found[0]) // 64)) > 1000


@given(ROWS, ROWS, SEEDS, SEEDS)
def test_a_word_for_each_order(rows: int, other: int, seed: int, another: int) -> None:
    word = order_word(rows, seed)
    assert -(2**63) <= word < 0
    assert (word == order_word(other, another)) is ((rows, seed) == (other, another))


def test_orders_are_what_they_were() -> None:
    """Rows of stored states were read in these orders: they never change."""
    assert rows_at(10, 20, 10, 0).tolist() == [3, 1, 2, 9, 7, 8, 5, 4, 6, 0]
    assert rows_at(10_000, 10_005, 10_000, 3).tolist() == [4755, 4729, 4694, 4740, 4720]
    assert order_word(10, 0) == -600401691929308859


@given(ROWS, SEEDS, st.integers(1, 50))
def test_rows_of_a_block_lie_near_each_other(rows: int, seed: int, epoch: int) -> None:
    found, blocks = reordered(epoch * rows, rows, rows, seed)
    for number in set(blocks.tolist()):
        block = found[blocks == number]
        assert block.max() - block.min() < MOST_BLOCK_ROWS
    later = reordered((epoch + 1) * rows, rows, rows, seed)[1]
    assert not set(blocks.tolist()) & set(later.tolist())
