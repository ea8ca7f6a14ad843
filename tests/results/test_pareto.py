"""The Pareto front and its hypervolume, on cases by hand and against a count of cells."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.results.pareto import dominates, front, hypervolume, nadir

EDGE = 5
coordinate = st.integers(0, EDGE)


def test_the_front_is_what_nobody_beats() -> None:
    points = [(1.0, 4.0), (2.0, 2.0), (4.0, 1.0), (2.0, 3.0), (2.0, 2.0)]
    assert front(points) == [True, True, True, False, True]
    assert dominates((1.0, 1.0), (1.0, 2.0))
    assert not dominates((1.0, 1.0), (1.0, 1.0))
    assert front([]) == []


def test_hypervolumes_by_hand() -> None:
    assert hypervolume([(1.0, 3.0), (2.0, 1.0)], (4.0, 4.0)) == 3 * 1 + 2 * 3 - 2 * 1
    assert hypervolume([(1.0, 2.0, 3.0), (2.0, 1.0, 3.5)], (4.0, 4.0, 4.0)) == 6 + 3 - 2
    assert hypervolume([(3.0,), (1.0,)], (4.0,)) == 3
    assert hypervolume([(4.0, 1.0)], (4.0, 4.0)) == 0
    assert hypervolume([], (4.0, 4.0)) == 0
    assert nadir([(1.0, 4.0), (2.0, 1.0)]) == (2.0, 4.0)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[coordinate] * n), min_size=1)))
def test_the_hypervolume_is_the_number_of_dominated_cells(points: list[tuple[int, ...]]) -> None:
    goals = len(points[0])
    cells = itertools.product(range(EDGE), repeat=goals)
    dominated = sum(
        any(all(a <= b for a, b in zip(point, cell, strict=True)) for point in points)
        for cell in cells
    )
    exact = [tuple(map(float, point)) for point in points]
    assert hypervolume(exact, (float(EDGE),) * goals) == pytest.approx(dominated)


@given(st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=1, max_size=8))
def test_what_is_not_on_the_front_adds_nothing(points: list[tuple[int, ...]]) -> None:
    exact = [tuple(map(float, point)) for point in points]
    best = [point for point, kept in zip(exact, front(exact), strict=True) if kept]
    reference = (float(EDGE),) * 3
    assert hypervolume(best, reference) == pytest.approx(hypervolume(exact, reference))
    assert not any(dominates(one, other) for one in best for other in best)
