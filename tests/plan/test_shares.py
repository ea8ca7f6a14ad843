"""Shares of a global batch: all of its rows, in order, as equal as they can be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raycl.plan.shares import largest_share, share_of


@given(st.integers(0, 3000), st.integers(1, 600))
def test_shares_are_the_rows_in_order_and_differ_by_a_row(rows: int, readers: int) -> None:
    shares = [share_of(rows, reader, readers) for reader in range(readers)]
    assert [row for share in shares for row in share] == list(range(rows))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) == largest_share(rows, readers)
