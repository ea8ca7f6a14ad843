import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.results.uncertainty.decision import MOST_SEEDS, decide, seeds_needed
from raycl.results.uncertainty.intervals import mean_interval


def test_a_difference_that_every_seed_shows_alike_is_clear() -> None:
    found = decide([3.40, 3.41, 3.42], [3.50, 3.511, 3.52])
    assert found.is_clear
    assert found.more == 0
    assert found.text == "clear"
    assert found.difference.mean == pytest.approx(-0.1003, abs=1e-4)


def test_a_noisy_difference_says_how_many_seeds_would_do() -> None:
    # Paired differences of mean 0.1 and sd 0.1: t(6) · 0.1 / √7 = 0.0925 is the first below 0.1.
    found = decide([0.0, 0.1, 0.2], [0.0, 0.0, 0.0])
    assert not found.is_clear
    assert seeds_needed(found.difference.mean, found.difference.sd) == 7
    assert found.more == 4
    assert found.text == "undecided: four more seeds would do"


def test_one_seed_and_a_difference_too_small_are_told_apart() -> None:
    assert decide([3.4], [3.5]).text == "undecided: one seed shows no noise"
    assert decide([0.0, 0.1, 0.2], [0.1, 0.0, 0.2]).text == (
        "undecided: the difference is below what 20 seeds can show"
    )


@given(st.floats(0.001, 10), st.floats(0.001, 10))
def test_the_number_of_seeds_is_the_smallest_with_which_zero_is_outside(
    mean: float, sd: float
) -> None:
    def excludes(n: int) -> bool:
        # n values with exactly this mean and sample standard deviation
        spread = sd * math.sqrt((n - 1) / n) if n % 2 == 0 else sd
        half = [spread, -spread] * (n // 2) + [0.0] * (n % 2)
        return mean_interval([mean + each for each in half]).excludes_zero

    needed = seeds_needed(mean, sd)
    numbers = [n for n in range(2, MOST_SEEDS + 1) if excludes(n)]
    assert needed == (numbers[0] if numbers else None)
