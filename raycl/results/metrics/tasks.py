"""Scores in tasks of lm-evaluation-harness."""

from __future__ import annotations

import math
from collections.abc import Sequence

from raycl.results.metrics.registry import Columns, register
from raycl.results.outcome import RecipeOutcome

_LESS_IS_BETTER = ("bits", "perplexity", "ppl", "nll")
"""Parts of names of task scores that fall as a model gets better."""


def score_falls(name: str) -> bool:
    """Whether a lower score of this name is the better one, as of a perplexity."""
    return any(part in name for part in _LESS_IS_BETTER)


@register("task")
def task_scores(outcomes: Sequence[RecipeOutcome], _: Sequence[str]) -> Columns:
    """Main score of each task for the state at each recipe's end; NaN where it was not asked."""
    tasks = dict.fromkeys(task for outcome in outcomes for task in outcome.tasks)
    return {
        f"task/{task}": [outcome.tasks.get(task, math.nan) for outcome in outcomes]
        for task in tasks
    }
