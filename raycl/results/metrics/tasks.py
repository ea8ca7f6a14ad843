"""Scores in tasks of lm-evaluation-harness."""

from __future__ import annotations

import math
from collections.abc import Sequence

from raycl.results.metrics.registry import Columns, register
from raycl.results.outcome import RecipeOutcome


@register("task")
def task_scores(outcomes: Sequence[RecipeOutcome], _: Sequence[str]) -> Columns:
    """Main score of each task for the state at each recipe's end; NaN where it was not asked."""
    tasks = dict.fromkeys(task for outcome in outcomes for task in outcome.tasks)
    return {
        f"task/{task}": [outcome.tasks.get(task, math.nan) for outcome in outcomes]
        for task in tasks
    }
