"""The comparison of samplers plays raycl's own searches, on a table that it reads truly."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

pytest.importorskip("scipy")

from benchmarks.measured_surface import RATE, REPLAY, Surface, read_surface
from benchmarks.samplers import (
    METHODS,
    after_steps,
    after_trials,
    cell,
    definition,
    play,
    searches,
    tables,
)

LONG = 10**6


@pytest.fixture(scope="module")
def surface() -> Surface:
    return read_surface()


def _at_points(surface: Surface, of: Callable[[float, float], float]) -> list[float]:
    return [of(rate, share) for rate, share in product(surface.rates, surface.shares)]


def test_the_surface_goes_through_the_table_and_nowhere_below_it(surface: Surface) -> None:
    def final(rate: float, share: float) -> float:
        return surface.loss({RATE: rate, REPLAY: share}, surface.end)

    assert _at_points(surface, final) == pytest.approx(surface.final.ravel().tolist())
    between = _at_points(surface, lambda r, s: final(min(r * 1.3, 3e-2), min(s * 1.2 + 0.01, 0.5)))
    assert min(between) >= surface.best - 1e-9
    assert len({round(loss, 6) for loss in between}) > len(surface.rates)


def test_a_search_that_tries_every_point_of_the_table_has_no_regret(surface: Surface) -> None:
    points = surface.final.size
    searched = definition(surface, {"sampler": "random", "trials": points}, on_points=True)
    moments = play(searched, surface, LONG)
    assert [each.trials for each in moments] == list(range(1, points + 1))
    assert moments[-1].regret == pytest.approx(0, abs=1e-9)
    assert moments[0].regret > 0


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_early_stopping_tries_more_recipes_with_as_many_steps(
    surface: Surface, sampler: str
) -> None:
    (plain,) = searches(sampler, surface, 1, 4)
    (stopped,) = searches(f"{sampler}, asha", surface, 1, 4)
    assert len(plain) == 4
    assert stopped[-1].trials > 2 * plain[-1].trials
    assert max(each.steps for each in (*plain, *stopped)) <= 4 * surface.end
    assert after_steps(stopped, surface.steps[0]) == float("inf")  # none is through by then
    assert after_steps(stopped, LONG) < float("inf")


def test_equal_seeds_are_equal_searches(surface: Surface) -> None:
    first, second = searches("tpe", surface, 2, 3)
    assert searches("tpe", surface, 2, 3) == [first, second]
    assert first != second


def test_the_tables_have_a_line_for_each_method(surface: Surface) -> None:
    names = [name for name in METHODS if name != "gp"]  # it is the slow one
    played = {name: searches(name, surface, 2, 3) for name in names}
    lines = list(tables(played, surface, (1, 3)))
    for name in names:
        assert sum(line.startswith(f"| {name} |") for line in lines) == 2
    assert lines[0] == f"| steps trained | {surface.end} | {3 * surface.end} | proposed |"


def test_a_cell_is_the_mean_and_how_many_are_near() -> None:
    assert cell([0.0, 0.0, 0.0, 0.0]) == "0.000 (0.000–0.000), 100%"
    assert cell([0.005, 0.1, 0.2, 0.3]).startswith("0.151 (")
    assert cell([0.005, 0.1, 0.2, 0.3]).endswith(", 25%")
    assert cell([0.1, float("inf")]) == "–"


def test_regret_counts_what_was_through_by_then(surface: Surface) -> None:
    (moments,) = searches("random", surface, 1, 5)
    for count in range(1, 6):
        assert after_trials(moments, count) == moments[count - 1].regret
        assert after_steps(moments, count * surface.end) == moments[count - 1].regret
    assert moments[-1].regret <= moments[0].regret
