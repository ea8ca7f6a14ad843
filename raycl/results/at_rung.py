"""A recipe as if it had ended at one of its steps, to compare recipes before they are through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from raycl.recipe.definition import Definition
from raycl.recipe.rungs import Rungs, stopped_text
from raycl.results.metrics import metric_columns
from raycl.results.objective import column
from raycl.results.outcome import STOPPED, RecipeOutcome, corpora_of


def with_stops(
    outcomes: Sequence[RecipeOutcome], definition: Definition, rungs: Mapping[str, Rungs]
) -> list[RecipeOutcome]:
    """The outcomes, in which those that wait at a rung are stopped, with what they reached there.

    `rungs` are those of each recipe, by its label.
    """
    search = definition.recipe.search
    if search is None or search.early_stopping is None:
        return list(outcomes)
    made = []
    for outcome in outcomes:
        found = rungs.get(outcome.label)
        step = int(outcome.state.partition("-")[0]) if outcome.state else 0
        if outcome.status != "unfinished" or found is None or step not in found.steps:
            made.append(outcome)
            continue
        metric = search.early_stopping.metric
        value = value_at(outcome, step, metric)
        text = stopped_text(step, outcome.stages[-1].last_step, search.early_stopping)
        note = f"{outcome.label} was {text}, with {metric} {value:.4f}."
        made.append(replace(outcome, status=STOPPED, notes=(*outcome.notes, note)))
    return made


def at_step(outcome: RecipeOutcome, step: int) -> RecipeOutcome:
    """The outcome of a recipe that ends after `step` steps of this one's."""
    stages = tuple(
        replace(stage, last_step=min(stage.last_step, step))
        for stage in outcome.stages
        if stage.first_step < step
    )
    lines = outcome.history[outcome.history["step"] < step]
    return replace(
        outcome, stages=stages, history=lines, status="finished", measured={}, final_steps=1
    )


def value_at(outcome: RecipeOutcome, step: int, metric: str) -> float:
    """The number that a search means by a name after `step` steps; NaN where it is not known."""
    cut = at_step(outcome, step)
    return float(column(metric_columns([cut], corpora_of([cut])), metric).iloc[0])
