"""What a search compares recipes by: numbers of the results table, and bounds on others.

A name is a corpus, whose loss it then is, or a column of the table. A metric that has a column for
each corpus, such as `forgetting`, stands for its worst corpus where none is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from raycl.errors import InputError
from raycl.recipe.schema import Recipe
from raycl.recipe.schema.search import TASKS, Objective
from raycl.results.metrics import metric_columns
from raycl.results.metrics.registry import METRICS
from raycl.results.outcome import RecipeOutcome, corpora_of

_OF_BASELINES = ("gap_to_union", "tokens_to_union")
"""Metrics that compare with baselines, which may not be trained when a search needs a number."""
_MOST_NAMES = 30


@dataclass(frozen=True)
class Measured:
    """The numbers of one recipe that a search compares, each the lower the better."""

    objectives: tuple[float, ...]
    """As the search minimises them: those that are maximised have the other sign."""
    constraints: tuple[float, ...]
    """How much each bounded number is above its bound; kept where 0 or less."""

    @property
    def is_known(self) -> bool:
        """Whether every number was measured; an infinite one is known."""
        return not any(map(math.isnan, (*self.objectives, *self.constraints)))

    @property
    def is_allowed(self) -> bool:
        """Whether all bounds are kept."""
        return all(excess <= 0 for excess in self.constraints)


def measured(outcome: RecipeOutcome, objective: Objective) -> Measured:
    """The numbers of an outcome; NaN where it is not finished, or one was not measured."""
    (found,) = measured_rows(_row(outcome), objective)
    return found


def _row(outcome: RecipeOutcome) -> pd.DataFrame:
    table = metric_columns([outcome], corpora_of([outcome]))
    return table.assign(status=[outcome.status])


def measured_rows(table: pd.DataFrame, objective: Objective) -> list[Measured]:
    """The numbers of each row of a results table; see `measured`."""
    goals = [
        sign * column(table, name, worst=sign)
        for name, sign in zip(objective.goals, objective.signs, strict=True)
    ]
    excesses = [column(table, name) - bound for name, bound in objective.subject_to.items()]
    unfinished = table["status"] != "finished"
    rows = [
        [math.nan if gone else float(value) for gone, value in zip(unfinished, values, strict=True)]
        for values in (*goals, *excesses)
    ]
    by_recipe = list(zip(*rows, strict=True))
    return [Measured(row[: len(goals)], row[len(goals) :]) for row in by_recipe]


def column(table: pd.DataFrame, name: str, worst: int = 1) -> pd.Series[float]:
    """The numbers that a name means, a line each; NaN where the table has none.

    Of a metric with a column for each corpus it is the highest (`worst` 1) or lowest (-1) of those
    that a recipe has.
    """
    for known in (f"loss/{name}", name):
        if known in table:
            return table[known].astype("float64")
    of_corpora = table[[c for c in table.columns if str(c).startswith(f"{name}/")]]
    if of_corpora.empty:
        return pd.Series(math.nan, index=table.index, dtype="float64")
    return of_corpora.max(axis=1) if worst == 1 else of_corpora.min(axis=1)


def check_objective(recipe: Recipe, where: str) -> None:
    """Raise InputError where the recipe's search names a number that no recipe of it will have."""
    if recipe.search is None:
        return
    objective = recipe.search.objective
    for name in (*objective.goals, *objective.subject_to):
        _check_name(name, recipe, f"{where}: search.objective {name!r}")
    if recipe.search.early_stopping is not None:
        metric = recipe.search.early_stopping.metric
        place = f"{where}: search.early_stopping.metric {metric!r}"
        if metric.startswith(TASKS):
            problem = "benchmarks are measured of finished recipes, and none is at a rung"
            raise InputError(place, problem, "Give the word average, or a corpus")
        _check_name(metric, recipe, place)
    mixed = [field for field in recipe.sweep[0] if "mixture" in field.split(".")]
    if "average" in objective.goals and mixed:
        raise InputError(
            f"{where}: search.objective 'average'",
            f"{mixed[0]} changes what the average weighs, so that averages do not compare",
            f"Name corpora: objective: [{', '.join(list(recipe.corpora)[:2])}]",
        )


def _check_name(name: str, recipe: Recipe, where: str) -> None:
    if name in _OF_BASELINES:
        raise InputError(
            where, "it compares with a baseline, not recipes", "Give the word average, or a corpus"
        )
    if name in known_names(recipe.corpora) or (name.startswith(TASKS) and name != TASKS):
        return
    known = [n for n in known_names(recipe.corpora) if "/" not in n][:_MOST_NAMES]
    remedy = f"Give a corpus or a column of the results table: {', '.join(known)}, task/NAME"
    raise InputError(where, "no recipe will have a number of this name", remedy)


def known_names(corpora: Iterable[str]) -> list[str]:
    """Every name that can be an objective in a recipe with these corpora."""
    names = list(corpora)
    columns = [c for metric in METRICS.values() for c in metric.columns([], names)]
    metrics = [metric.name for metric in METRICS.values()]
    found = dict.fromkeys((*names, *metrics, *columns))
    return [name for name in found if name not in (*_OF_BASELINES, "task")]


def objective_text(objective: Objective) -> str:
    """The objective in words: `lowest loss/german, forgetting at most 0.02`."""
    parts = [f"lowest {name}" for name in objective.minimize]
    parts += [f"highest {name}" for name in objective.maximize]
    parts += [f"{name} at most {bound:g}" for name, bound in objective.subject_to.items()]
    return ", ".join(parts)


def best_first(found: Mapping[str, Measured] | Sequence[tuple[str, Measured]]) -> list[str]:
    """Labels from the best to the worst by one objective; those that break a bound come last.

    Of those, the one that breaks its bounds by the least comes first.
    """
    pairs = list(found.items()) if isinstance(found, Mapping) else list(found)
    known = [(label, one) for label, one in pairs if one.is_known]
    return [label for label, one in sorted(known, key=lambda pair: _rank(pair[1]))]


def _rank(one: Measured) -> tuple[float, float]:
    return math.fsum(max(excess, 0.0) for excess in one.constraints), one.objectives[0]
