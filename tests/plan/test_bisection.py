"""The last number for which a property holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raycl.plan.bisection import last_where


@given(st.integers(-50, 50), st.integers(0, 100), st.integers(0, 100))
def test_the_last_number_that_holds(low: int, length: int, holding: int) -> None:
    high, last = low + length, low + min(holding, length)
    asked: list[int] = []

    def holds(number: int) -> bool:
        asked.append(number)
        return number <= last

    assert last_where(holds, low, high) == last
    assert len(asked) <= length.bit_length()
    assert all(low < number <= high for number in asked)
