"""The pretrained model as it came, as a row of results: the losses before the first step.

It is the baseline `previous` of a recipe with one stage. Nothing is trained for it, and no state is
stored: every recipe of the sweep was validated before its first step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from raycl.recipe.stand_ins import asks_for_start
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.results.outcome import VALIDATION, RecipeOutcome, StageFact, loss_after

LABEL = "as it came"
_NO_STAGE = StageFact(LABEL, 0, 0, 0, ())


def with_starts(sweep: PlannedSweep, outcomes: Sequence[RecipeOutcome]) -> list[RecipeOutcome]:
    """The outcomes of a sweep, with a row for each start where the recipe asks for `previous`."""
    if not asks_for_start(sweep.definition.recipe):
        return list(outcomes)
    names = _names(sweep)
    by_name: dict[str, list[RecipeOutcome]] = {}
    for outcome in outcomes:
        if outcome.label in names:
            by_name.setdefault(names[outcome.label], []).append(outcome)
    return [*outcomes, *(_as_it_came(name, group, sweep) for name, group in by_name.items())]


def _names(sweep: PlannedSweep) -> dict[str, str]:
    """What the start of each recipe of the sweep is called, by the recipe's label.

    The losses of a start depend on its weights and on the precision alone.
    """
    recipes = {v.label: v.recipe for v in sweep.definition.variants if v.kind == "sweep"}
    starts, precisions = set(), set()
    for label in recipes:
        starts.add(sweep.trainings[label].model.pretrained)
        precisions.add(sweep.trainings[label].execution.precision)
    names = {}
    for label, recipe in recipes.items():
        reference = f"{recipe.model.pretrained} " if len(starts) > 1 else ""
        precision = sweep.trainings[label].execution.precision
        names[label] = f"{reference}{LABEL}" + (f", {precision}" if len(precisions) > 1 else "")
    return names


def _as_it_came(name: str, group: Sequence[RecipeOutcome], sweep: PlannedSweep) -> RecipeOutcome:
    """The row of the recipes' common start, of the first loss that any of them has."""
    losses = {corpus: _first_loss(group, corpus) for corpus in sweep.facts}
    known = {corpus: loss for corpus, loss in losses.items() if not math.isnan(loss)}
    line = {"step": -1, **{VALIDATION + corpus: loss for corpus, loss in known.items()}}
    rows = {c: n for outcome in group for c, n in outcome.validation_rows.items()}
    measured = {corpus for outcome in group for corpus in outcome.measured}
    return replace(
        group[0],
        label=name,
        kind="previous",
        fields={},
        stages=(_NO_STAGE,),
        history=pd.DataFrame([line] if known else [], columns=list(line)),
        state="",
        status="finished" if len(known) == len(losses) else "unfinished",
        tasks={},
        arm="",
        # Final losses on more rows are those of stored states, and of a start there is none.
        measured=dict.fromkeys(measured, math.nan),
        validation_rows={corpus: n for corpus, n in rows.items() if corpus not in measured},
        notes=(_LESS.format(name),) if measured else (),
    )


_LESS = "{}: left out, since a start is no state that `raycl evaluate` can measure on more rows."


def _first_loss(group: Sequence[RecipeOutcome], corpus: str) -> float:
    found: Mapping[str, float] = {o.label: loss_after(o, corpus, 0) for o in group}
    return next((loss for loss in found.values() if not math.isnan(loss)), math.nan)
