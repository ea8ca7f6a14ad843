"""Proposes the weights of the next merge from the merges that are measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from raycl.errors import within
from raycl.recipe.schema import MergeSearch
from raycl.recipe.schema.ranges import Range
from raycl.recipe.space import Fields, Space
from raycl.search.samplers.optuna_sampler import OptunaSampler
from raycl.search.samplers.random_sampler import RandomSampler
from raycl.search.samplers.sampler import History, Known, Sampler
from raycl.units import parse_number

Weights = tuple[Fraction, ...]
_ATTEMPTS = 100
"""Proposals that may be known already before the range counts as searched through."""


@dataclass(frozen=True)
class KnownMerge:
    """Weights whose merge is measured, and what shall be low of it."""

    weights: Weights
    objective: float


def next_weights(
    settings: MergeSearch, first: Sequence[Weights], known: Sequence[KnownMerge]
) -> Weights | None:
    """The weights to try next; None where nothing new was found.

    `first` are tried before anything is proposed, where they lie in the range. What comes out
    depends on the arguments alone, so that a search that was interrupted goes on as it would have.
    Weights have the digits of a `Space`.
    """
    tried = {one.weights for one in known}
    low, high = settings.weights.uniform
    for weights in first:
        if weights not in tried and all(low <= weight <= high for weight in weights):
            return weights
    space = _space(settings, len(first[0]))
    history = History([_as_point(one) for one in known])
    sampler = _sampler(settings, space)
    for attempt in range(_ATTEMPTS):
        # With the same number a sampler would propose the same.
        state = np.random.SeedSequence([settings.seed, len(known), attempt]).generate_state(1)
        weights = _weights(sampler.ask(history, int(state[0])))
        if weights not in tried:
            return weights
    return None


def check_sampler(settings: MergeSearch) -> None:
    """Raise InputError where the library of the sampler is not installed."""
    with within("merge_search"):
        _sampler(settings, _space(settings, 2))


def _sampler(settings: MergeSearch, space: Space) -> Sampler:
    if settings.sampler == "random":
        return RandomSampler(space)
    return OptunaSampler(settings.sampler, space, 1, settings.trials)


def _space(settings: MergeSearch, count: int) -> Space:
    """The weights by their places."""
    low, high = settings.weights.uniform
    return Space({str(place): Range("uniform", low, high, False) for place in range(count)})


def _as_point(known: KnownMerge) -> Known:
    fields = {str(place): float(weight) for place, weight in enumerate(known.weights)}
    objective = known.objective
    return Known(fields, None if math.isnan(objective) else (objective,))


def _weights(fields: Fields) -> Weights:
    return tuple(parse_number(value) for value in fields.values())
