"""The row of the best merge of a search, beside the recipes that learned all corpora at once."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from raycl.evaluation.store import read_tasks
from raycl.recipe.merge_search import BEST_MERGE, PlannedMergeSearch
from raycl.recipe.schema.merge_search import AVERAGE
from raycl.recipe.stage_rows import CorpusFacts
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.results.merge_trials import Tried, read_trials, weight_fields
from raycl.results.merged import merged_outcome
from raycl.results.metrics.sides import sides_of
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.results.validation_rows import ValidationRows
from raycl.storage import Storage
from raycl.units import format_count, format_number


@dataclass(frozen=True)
class Standing:
    """How far a merge search is, and what it looks for."""

    search: PlannedMergeSearch
    tried: tuple[Tried, ...]
    objective: Mapping[str, float]
    """The weight of each corpus' loss in what shall be low."""

    @property
    def measured(self) -> list[Tried]:
        """The merges that have all losses of the objective."""
        return [one for one in self.tried if not math.isnan(one.objective(self.objective))]

    @property
    def best(self) -> Tried | None:
        """The merge with the lowest objective, of equal ones the first; None before the first."""
        return min(self.measured, key=lambda one: one.objective(self.objective), default=None)

    @property
    def left(self) -> int:
        """How many merges are still to be tried."""
        return max(0, self.search.settings.trials - len(self.measured))


def with_merge_search(
    outcomes: Sequence[RecipeOutcome],
    sweep: PlannedSweep,
    states: StoredStates,
    wanted: Sequence[ValidationRows],
) -> list[RecipeOutcome]:
    """The outcomes, and that of the best merge where all recipes of one corpus are finished.

    Until the search is through, and its best merge is a state, the row is unfinished.
    """
    search = sweep.merge_search
    trained = together(outcomes, search) if search is not None else None
    if search is None or trained is None:
        return list(outcomes)
    found = standing(states.storage, sweep.name, search, outcomes, wanted)
    made = _outcome(trained, found, states, wanted, sweep.facts)
    alone = frozenset(rows.corpus for rows in wanted)
    return [replace(outcome, last_alone=alone) for outcome in (*outcomes, made)]


def together(outcomes: Sequence[RecipeOutcome], search: PlannedMergeSearch) -> RecipeOutcome | None:
    """The recipes of one corpus as one that read all of them, before any merge.

    Its last stage has their steps together, and the shares of the stage as it is written: so its
    average is that of the recipe as it is written. None until all are finished.
    """
    parts = [o for o in outcomes if o.label in search.recipes and o.status == "finished"]
    if len(parts) < len(search.recipes):
        return None
    first = parts[0]
    last = first.stages[-1]
    stage = replace(
        last,
        last_step=last.first_step + search.steps,
        tokens=search.steps * first.tokens_per_step,
        new=tuple(search.shares),
        shares=tuple(map(float, search.shares.values())),
    )
    return replace(first, label=BEST_MERGE, kind="sweep", stages=(*first.stages[:-1], stage))


def standing(
    storage: Storage,
    sweep: str,
    search: PlannedMergeSearch,
    outcomes: Sequence[RecipeOutcome],
    wanted: Sequence[ValidationRows],
) -> Standing:
    """How far the search is. `outcomes` are those of the sweep, all of one corpus finished."""
    tried = tuple(read_trials(storage, sweep, search, wanted))
    return Standing(search, tried, _objective(search, outcomes))


def _objective(
    search: PlannedMergeSearch, outcomes: Sequence[RecipeOutcome]
) -> Mapping[str, float]:
    if search.settings.objective != AVERAGE:
        return {search.settings.objective: 1.0}
    trained = together(outcomes, search)
    sides = sides_of([*outcomes, trained])[-1] if trained else None
    return sides.weights if sides else {}


def _outcome(
    trained: RecipeOutcome,
    found: Standing,
    states: StoredStates,
    wanted: Sequence[ValidationRows],
    facts: Mapping[str, CorpusFacts],
) -> RecipeOutcome:
    best = found.best
    done = best is not None and not found.left and states.holds(best.state)
    losses = best.losses if best is not None and done else {}
    made = merged_outcome(trained, BEST_MERGE, best.state if best and done else "", losses)
    return replace(
        made,
        fields=_fields(found, best),
        merged_from=BEST_MERGE,
        status="finished" if done else "unfinished",
        tasks=read_tasks(states.storage, best.state) if best is not None and done else {},
        validation_rows={rows.corpus: rows.key[2] for rows in wanted},
        notes=(_cost(trained, found, wanted, facts) if done else _missing(found, states.storage),),
    )


def _fields(found: Standing, best: Tried | None) -> dict[str, object]:
    named = {"merge.with": found.search.partner, "merge.method": "task-arithmetic"}
    return {**named, **(weight_fields(found.search, best.weights) if best else {})}


def _missing(found: Standing, storage: Storage) -> str:
    return (
        f"{BEST_MERGE}: {len(found.measured)} of {found.search.settings.trials} merges are "
        "measured, or the best one is not made: `raycl sweep` with the recipe and "
        f"--storage {shlex.quote(storage.url)} goes on, and trains nothing again."
    )


def _cost(
    trained: RecipeOutcome,
    found: Standing,
    wanted: Sequence[ValidationRows],
    facts: Mapping[str, CorpusFacts],
) -> str:
    """What the search found, and what it cost beside the training."""
    best, count = found.best, len(found.measured)
    weights = best.weights if best else ()
    named = ", ".join(
        f"{corpus} {format_number(weight)}"
        for corpus, weight in zip(found.search.shares, weights, strict=True)
    )
    each = sum(rows.key[2] * (facts[rows.corpus].row_length - 1) for rows in wanted)
    return (
        f"{BEST_MERGE}: the best of {count} merges, {found.search.partner} + weighted changes "
        f"({named}). Its models were trained for {format_count(trained.stages[-1].tokens)} tokens "
        f"after the hand-off, all together; to measure the merges took forward passes over "
        f"{format_count(count * each)} tokens more, which are in no column."
    )
