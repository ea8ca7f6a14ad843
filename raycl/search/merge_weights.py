"""Proposes the weights of the next merge from the merges that are measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np

from raycl.errors import InputError
from raycl.libraries import how_to_install
from raycl.recipe.schema import MergeSearch

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
    Weights have three significant digits.
    """
    tried = {one.weights for one in known}
    low, high = settings.weights.uniform
    for weights in first:
        if weights not in tried and all(low <= weight <= high for weight in weights):
            return weights
    sampler = _tpe if settings.sampler == "tpe" else _random
    proposals = sampler(settings, len(first[0]), known)
    return next((w for w in islice(proposals, _ATTEMPTS) if w not in tried), None)


def check_sampler(settings: MergeSearch) -> None:
    """Raise InputError where the library of the sampler is not installed."""
    if settings.sampler != "tpe":
        return
    try:
        import optuna  # noqa: F401 (whether it is there)
    except ImportError as error:
        remedy = f"Run `{how_to_install('optuna')}`, or give `sampler: random`"
        raise InputError("merge_search.sampler tpe", "Optuna is not installed", remedy) from error


def _random(settings: MergeSearch, count: int, known: Sequence[KnownMerge]) -> Iterator[Weights]:
    generator = np.random.default_rng([settings.seed, len(known)])
    low, high = map(float, settings.weights.uniform)
    while True:
        yield _rounded(generator.uniform(low, high, count).tolist(), settings)


def _tpe(settings: MergeSearch, count: int, known: Sequence[KnownMerge]) -> Iterator[Weights]:
    """Proposals of Optuna's TPE (Bergstra et al. 2011), which sees all weights together."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    low, high = map(float, settings.weights.uniform)
    space: dict[str, optuna.distributions.BaseDistribution] = {
        str(place): optuna.distributions.FloatDistribution(low, high) for place in range(count)
    }
    # The generator begins anew for each proposal. With the same seed it would draw the same ones.
    seed = int(np.random.default_rng([settings.seed, len(known)]).integers(2**32))
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    study = optuna.study.create_study(sampler=sampler)
    for one in known:
        if math.isfinite(one.objective):
            values = {str(place): float(weight) for place, weight in enumerate(one.weights)}
            study.add_trial(
                optuna.trial.create_trial(params=values, distributions=space, value=one.objective)
            )
    while True:
        found = study.ask(space).params
        yield _rounded([found[str(place)] for place in range(count)], settings)


def _rounded(weights: Sequence[float], settings: MergeSearch) -> Weights:
    low, high = settings.weights.uniform
    return tuple(min(max(Fraction(f"{weight:.3g}"), low), high) for weight in weights)
