"""The best recipe so far, by the sweep's objective, as recipes come to their ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from raycl.plan.training import Training
from raycl.recipe import Variant
from raycl.recipe.schema.merge_search import AVERAGE
from raycl.recipe.schema.search import Objective
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.results.gather import gather
from raycl.results.objective import measured_rows
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.results.table import results_table


@dataclass(frozen=True)
class Better:
    """A recipe that is better than all that ended before it."""

    label: str
    goal: str
    """What is compared: a column of the results table, or a corpus for its loss."""
    value: float
    before: float | None
    """The best value until now; None for the first recipe."""


class BestSoFar:
    """Compares recipes by one number; with several objectives there is no best.

    Averages of recipes that learn other corpora do not compare, and neither are these.
    """

    def __init__(self, objective: Objective | None) -> None:
        self._objective = objective or Objective(minimize=(AVERAGE,))
        self._best: float | None = None
        self._weights: Mapping[str, float] | None = None
        self._compare = len(self._objective.goals) == 1

    def told(self, outcome: RecipeOutcome) -> Better | None:
        """The outcome where it is the best so far, keeps all bounds, and has the number at all."""
        if not self._compare:
            return None
        table = results_table([outcome])
        (found,) = measured_rows(table, self._objective)
        (goal,) = self._objective.goals
        if goal == AVERAGE and not self._is_alike({str(k): v for k, v in table.iloc[0].items()}):
            self._compare = False
            return None
        if not (found.is_known and found.is_allowed):
            return None
        sign = self._objective.signs[0]
        value, before = sign * found.objectives[0], self._best
        if before is not None and sign * value >= sign * before:
            return None
        self._best = value
        return Better(outcome.label, goal, value, before)

    def _is_alike(self, row: Mapping[str, float]) -> bool:
        weights = {name: row[name] for name in row if name.startswith("weight/")}
        self._weights = self._weights or weights
        return weights == self._weights


def outcome_of(
    sweep: PlannedSweep, variant: Variant, training: Training, states: StoredStates
) -> RecipeOutcome:
    """What one recipe of a sweep did. Requests: reads of the histories along its chain."""
    one = replace(
        sweep,
        definition=replace(sweep.definition, variants=(variant,)),
        trainings={variant.label: training},
        merges=(),
        merge_search=None,
    )
    return next(found for found in gather(one, states) if found.label == variant.label)
