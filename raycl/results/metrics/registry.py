"""Where metrics are registered: each becomes a column of the results table, or several.

A metric is one function with one of the decorators below, in any module of this package;
docs/metrics.md defines its columns. A test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from raycl.results.outcome import RecipeOutcome

Columns = Mapping[str, Sequence[float]]
"""Name of a column -> a value for each recipe, in their order; NaN where it has none."""

OfSweep = Callable[[Sequence[RecipeOutcome], Sequence[str]], Columns]
"""All columns of a metric, from a sweep's outcomes and the corpora that they are measured on."""

OfCorpus = Callable[[RecipeOutcome, str], float]
"""A metric of one outcome on one corpus."""

OfRecipe = Callable[[RecipeOutcome], float]
"""A metric of one outcome."""

OfAll = Callable[[Sequence[RecipeOutcome], Sequence[str]], list[float]]
"""A metric of each of a sweep's outcomes that needs the others, on these corpora."""


@dataclass(frozen=True)
class Metric:
    """One registered metric."""

    name: str
    """Its column, or what stands before the `/` in all of its columns."""
    columns: OfSweep
    module: str
    """The module that defines it: metrics of one module stand side by side in the table."""
    always: bool
    """Whether the table has its columns even where no recipe has a value: it is seen as missing."""


METRICS: dict[str, Metric] = {}


def register(name: str, always: bool = False) -> Callable[[OfSweep], OfSweep]:
    """Register a function that gives all columns of the metric `name` (see OfSweep)."""

    def remember(function: OfSweep) -> OfSweep:
        _add(name, function, always, function)
        return function

    return remember


def per_corpus(name: str, always: bool = False) -> Callable[[OfCorpus], OfCorpus]:
    """Register a function of an outcome and a corpus; its columns are `name/<corpus>`."""

    def remember(function: OfCorpus) -> OfCorpus:
        def columns(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> Columns:
            return {
                f"{name}/{corpus}": [function(outcome, corpus) for outcome in outcomes]
                for corpus in corpora
            }

        _add(name, columns, always, function)
        return function

    return remember


def per_recipe(name: str, always: bool = False) -> Callable[[OfRecipe], OfRecipe]:
    """Register a function of an outcome; its column is `name`."""

    def remember(function: OfRecipe) -> OfRecipe:
        def columns(outcomes: Sequence[RecipeOutcome], _: Sequence[str]) -> Columns:
            return {name: [function(outcome) for outcome in outcomes]}

        _add(name, columns, always, function)
        return function

    return remember


def per_sweep(name: str, always: bool = False) -> Callable[[OfAll], OfAll]:
    """Register a function of all outcomes and corpora, for what compares recipes with each other.

    It gives a value for each recipe; its column is `name`. Recipes are compared with those of their
    own seed alone.
    """

    def remember(function: OfAll) -> OfAll:
        def columns(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> Columns:
            found = [math.nan] * len(outcomes)
            for seed in dict.fromkeys(outcome.seed for outcome in outcomes):
                places = [place for place, o in enumerate(outcomes) if o.seed == seed]
                values = function([outcomes[place] for place in places], corpora)
                for place, value in zip(places, values, strict=True):
                    found[place] = value
            return {name: found}

        _add(name, columns, always, function)
        return function

    return remember


def _add(name: str, columns: OfSweep, always: bool, function: Callable[..., object]) -> None:
    if name in METRICS:
        raise ValueError(f"two metrics are called {name!r}")
    METRICS[name] = Metric(name, columns, function.__module__, always)
