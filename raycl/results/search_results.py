"""What the objective of a search says of a sweep's recipes: the best one, or the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from raycl.recipe.schema.search import AVERAGE, Objective
from raycl.results.objective import Measured, best_first, measured_rows, objective_text
from raycl.results.outcome import BASELINES, RecipeOutcome
from raycl.results.pareto import Point, front, hypervolume, nadir

FRONT = "front"
"""The column of the results table that says who is on the front."""
_MOST_NAMED = 8


@dataclass(frozen=True)
class Compared:
    """The finished recipes of a sweep that keep all bounds, and the numbers they are compared by.

    Numbers are as the search minimises them.
    """

    objective: Objective
    points: dict[str, Point]
    """By label."""
    rows: dict[str, Measured]
    """All finished recipes, those that break a bound included."""

    @property
    def front(self) -> list[str]:
        """Labels of the recipes that no other one beats in every number."""
        kept = front(list(self.points.values()))
        return [label for label, best in zip(self.points, kept, strict=True) if best]

    @property
    def reference(self) -> Point:
        """The reference point of the hypervolume: the worst value of each number."""
        return nadir(list(self.points.values()))

    @property
    def hypervolume(self) -> float:
        """The volume between the front and the reference point."""
        return hypervolume([self.points[label] for label in self.front], self.reference)

    @property
    def best(self) -> str | None:
        """The best recipe by the one objective; None where none is finished.

        Where every recipe breaks a bound, it is the one that breaks them by the least.
        """
        return next(iter(best_first(self.rows)), None)


def compared(table: pd.DataFrame, objective: Objective) -> Compared:
    """The recipes of a results table as a search compares them; baselines are none of them."""
    own = table[~table["kind"].isin(BASELINES)]
    pairs = zip(own["recipe"], measured_rows(own, objective), strict=True)
    rows = {str(label): row for label, row in pairs if row.is_known}
    points = {label: row.objectives for label, row in rows.items() if row.is_allowed}
    return Compared(objective, points, rows)


def objective_of(outcomes: Sequence[RecipeOutcome]) -> Objective | None:
    """What the search of these recipes compares by; None where they are of no search."""
    return next((o.objective for o in outcomes if o.objective is not None), None)


def front_column(table: pd.DataFrame, objective: Objective) -> pd.Series[bool]:
    """For each recipe whether it is on the front; missing where it is not compared."""
    found = compared(table, objective)
    on_front = set(found.front)
    values = [label in on_front if label in found.points else None for label in table["recipe"]]
    return pd.Series(values, index=table.index, dtype="boolean", name=FRONT)


def search_sentence(table: pd.DataFrame, objective: Objective) -> str:
    """What the search found, in words; empty where it compares by the average alone."""
    found = compared(table, objective)
    if len(objective.goals) > 1:
        return _front_sentence(found)
    if objective.goals == (AVERAGE,) and not objective.subject_to:
        return ""
    if found.best is None:
        return ""
    sign = objective.signs[0]
    value = sign * found.rows[found.best].objectives[0]
    kept = ""
    if objective.subject_to:
        kept = f" {len(found.points)} of {len(found.rows)} finished recipes keep the bounds."
    return f"Best by {objective_text(objective)}: {found.best} ({value:.4g}).{kept}"


def _front_sentence(found: Compared) -> str:
    if not found.points:
        return "No finished recipe keeps all bounds." if found.rows else ""
    names, more = found.front[:_MOST_NAMED], len(found.front) - _MOST_NAMED
    others = f" and {more} more" if more > 0 else ""
    pairs = zip(found.objective.goals, found.objective.signs, found.reference, strict=True)
    reference = ", ".join(f"{name} {sign * value:.4g}" for name, sign, value in pairs)
    return (
        f"Pareto front of {objective_text(found.objective)}: {len(found.front)} of "
        f"{len(found.points)} recipes: {'; '.join(names)}{others}. Hypervolume "
        f"{found.hypervolume:.4g}, from the worst value of each ({reference})."
    )
