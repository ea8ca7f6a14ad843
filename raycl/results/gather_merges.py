"""The rows of a sweep's merged models, beside those of its recipes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from raycl.evaluation.store import read_tasks
from raycl.recipe.merges import PlannedMerge
from raycl.results.merged import merged_outcome
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.results.validation_rows import ValidationRows


def with_merges(
    outcomes: Sequence[RecipeOutcome],
    merges: Sequence[PlannedMerge],
    states: StoredStates,
    wanted: Sequence[ValidationRows],
) -> list[RecipeOutcome]:
    """The outcomes, and one of each merge of a finished recipe, on the wanted validation rows.

    A merge that was not made, or not measured on these rows, is unfinished, and says what makes it.
    A merge has one loss at its end. So where there are merges, the end losses of all outcomes are
    the last ones alone.
    """
    finished = {o.label: o for o in outcomes if o.status == "finished" and o.stages}
    made = [
        _outcome(finished[merge.recipe], merge, states, wanted)
        for merge in merges
        if merge.recipe in finished
    ]
    if not made:
        return list(outcomes)
    alone = frozenset(rows.corpus for rows in wanted)
    return [replace(outcome, last_alone=alone) for outcome in (*outcomes, *made)]


def _outcome(
    trained: RecipeOutcome,
    merge: PlannedMerge,
    states: StoredStates,
    wanted: Sequence[ValidationRows],
) -> RecipeOutcome:
    stored = states.losses(merge.name) if states.holds(merge.name) else {}
    losses = {rows.corpus: stored[rows.key] for rows in wanted if rows.key in stored}
    made = merged_outcome(trained, merge.label, merge.name, losses)
    made = replace(
        made,
        fields={**trained.fields, **merge.fields},
        validation_rows={rows.corpus: rows.key[2] for rows in wanted},
        notes=(),
    )
    if len(losses) == len(wanted):
        return replace(made, tasks=read_tasks(states.storage, merge.name))
    note = (
        "Merges are missing, or not measured on these rows: `raycl sweep` with the recipe and "
        f"--storage {shlex.quote(states.storage.url)} makes them, and trains nothing again."
    )
    return replace(made, state="", status="unfinished", notes=(note,))
