"""One number per seed, and arithmetic on it that pairs seeds.

Recipes of one seed share their initial weights and their data, so that their difference is far
less noisy than the losses themselves. All comparisons are therefore made seed by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Values = Mapping[int, float]
"""Seed -> finite number. A seed without such a number is left out."""


def minus(left: Values, right: Values) -> Values:
    """The paired difference: left − right for every seed that has both."""
    return {seed: left[seed] - right[seed] for seed in left if seed in right}


def absolute(values: Values) -> Values:
    """|value| of each seed."""
    return {seed: abs(value) for seed, value in values.items()}


def lowest(several: Sequence[Values]) -> Values:
    """The lowest value of each seed that has all of them."""
    return _over(min, several)


def highest(several: Sequence[Values]) -> Values:
    """The highest value of each seed that has all of them."""
    return _over(max, several)


def mean_of(several: Sequence[Values]) -> Values:
    """The mean of each seed's values, for the seeds that have all of them."""
    return _over(lambda values: sum(values) / len(values), several)


def _over(function: Callable[[list[float]], float], several: Sequence[Values]) -> Values:
    if not several:
        return {}
    shared = set(several[0]).intersection(*several[1:])
    return {seed: function([values[seed] for values in several]) for seed in sorted(shared)}
