"""Intervals of means and of paired differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_rel

from raycl.results.uncertainty.intervals import mean_interval, paired_interval


def test_the_interval_of_a_mean_is_that_of_the_t_test() -> None:
    values = [3.41, 3.39, 3.44, 3.40]
    made, wanted = mean_interval(values), ttest_1samp(values, 0).confidence_interval(0.95)
    assert (made.low, made.high) == pytest.approx((wanted.low, wanted.high))
    assert made.mean == pytest.approx(np.mean(values))
    assert made.sd == pytest.approx(np.std(values, ddof=1))
    assert made.n == 4


def test_a_paired_interval_is_that_of_the_paired_t_test() -> None:
    first, second = [3.41, 3.39, 3.44], [3.45, 3.44, 3.47]
    made, wanted = paired_interval(first, second), ttest_rel(first, second).confidence_interval()
    assert (made.low, made.high) == pytest.approx((wanted.low, wanted.high))
    assert made.excludes_zero


def test_one_value_has_no_interval() -> None:
    made = mean_interval([3.4, math.nan])
    assert (made.mean, made.n, made.is_known, made.excludes_zero) == (3.4, 1, False, False)
    assert mean_interval([]).n == 0


def test_pairs_of_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_interval([1.0, 2.0], [1.0])
