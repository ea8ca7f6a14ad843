"""Searches for the best merge of the models that a sweep has trained on one corpus each.

Every merge that is tried is measured without storing its weights; the best one becomes a state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.recipe.merge_search import BEST_MERGE, PlannedMergeSearch
from raycl.recipe.sweep_plan import PlannedSweep, SweepPlan
from raycl.results.gather import gather
from raycl.results.gather_merge_search import Standing, standing
from raycl.results.merge_trials import Tried, losses_of, write_table, write_trial
from raycl.results.merged import more_rows
from raycl.results.metrics import final_loss
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.results.validation_rows import ValidationRows
from raycl.search.merge_weights import KnownMerge, Weights, check_sampler, next_weights
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from raycl.sweep.description import write_best_merge
from raycl.sweep.merge_tasks import MergeError, Run, merging
from raycl.units import format_number

Report = Callable[[str], None]


@dataclass(frozen=True)
class _Search:
    """A search that can go on: all its models are trained."""

    sweep: PlannedSweep
    search: PlannedMergeSearch
    storage: Storage
    outcomes: Sequence[RecipeOutcome]
    rows: dict[str, int]
    """The validation rows of the sweep's table, by corpus."""

    @property
    def wanted(self) -> list[ValidationRows]:
        facts = self.sweep.facts
        return [
            ValidationRows(c, facts[c].fingerprint, facts[c].validation_rows, count)
            for c, count in self.rows.items()
        ]

    @property
    def standing(self) -> Standing:
        """How far it is now, as storage has it."""
        return standing(self.storage, self.sweep.name, self.search, self.outcomes, self.wanted)

    def task(self, weights: Weights, *more: dict[str, int]) -> Any:
        """The merge with these weights, measured on the rows of the table and on `more`."""
        from raycl.evaluation.merged_losses import MergeTask  # needs torch

        search = self.search
        method = search.method(weights)
        return MergeTask(BEST_MERGE, search.base, search.models, method, (self.rows, *more))


def check_searches(plan: SweepPlan) -> None:
    """Raise InputError where a search needs a library that is not installed."""
    for planned in plan.sweeps:
        if planned.merge_search is not None:
            check_sampler(planned.merge_search.settings)


def search_merges(
    plan: SweepPlan, storage: Storage, options: ClusterOptions, report: Report
) -> dict[str, str]:
    """Try what is left of the merge searches whose models are trained, and make their best merges.

    Each merge waits for those before it, since they decide what is tried next. Returns the reasons
    of searches that cannot go on. What is measured is never measured again.
    """
    if not any(planned.merge_search for planned in plan.sweeps):
        return {}
    states = StoredStates(storage, complete_states(storage))
    found = [_unfinished(planned, states) for planned in plan.sweeps]
    searches = [search for search in found if search is not None]
    failed: dict[str, str] = {}
    if not searches:
        return failed
    with merging(storage, options) as run:
        for search in searches:
            try:
                _finish(search, run, report)
            except (InputError, MergeError) as error:  # what is trained and measured stays
                failed[BEST_MERGE] = str(error)
    return failed


def _unfinished(planned: PlannedSweep, states: StoredStates) -> _Search | None:
    """The sweep's search, where its models are trained and it is not through."""
    if planned.merge_search is None:
        return None
    outcomes = gather(planned, states)
    row = next((outcome for outcome in outcomes if outcome.label == BEST_MERGE), None)
    if row is None or row.status == "finished":
        return None
    others = [outcome for outcome in outcomes if outcome is not row]
    rows = dict(row.validation_rows)
    return _Search(planned, planned.merge_search, states.storage, others, rows)


def _finish(search: _Search, run: Run, report: Report) -> None:
    found = _measured_again(search, search.standing, run)
    if found.left:
        trials = search.search.settings.trials
        report(f"Merge search: {found.left} of {trials} merges to measure; none of them is stored.")
    while found.left:
        found = _one_more(search, found, run)
        report(_progress(found))
    if found.best is not None:
        write_table(search.storage, search.sweep.name, search.search, found.tried, found.objective)
        _make(search, found.best, run)


def _measured_again(search: _Search, found: Standing, run: Run) -> Standing:
    """The search, whose merges have losses on the rows of the table, where these are others now."""
    unmeasured = [one for one in found.tried if one not in found.measured]
    for one in unmeasured:
        run(search.task(one.weights), False)
    return search.standing if unmeasured else found


def _one_more(search: _Search, found: Standing, run: Run) -> Standing:
    """The search with one more merge, which is recorded when it is measured.

    Where the command ends in between, the same weights are proposed again, and nothing is measured
    twice.
    """
    weights = _proposed(search, found)
    if weights is None:
        low, high = map(format_number, search.search.settings.weights.uniform)
        problem = f"no weights from {low} to {high} are left that were not tried"
        raise InputError("merge_search.trials", problem, "Give fewer trials, or a wider range")
    run(search.task(weights), False)
    number = max((one.number for one in found.tried), default=-1) + 1
    state = search.search.name(weights)
    losses = losses_of(search.storage, state, search.wanted)
    write_trial(search.storage, search.sweep.name, search.search, number, weights)
    return replace(found, tried=(*found.tried, Tried(number, state, weights, losses)))


def _proposed(search: _Search, found: Standing) -> Weights | None:
    """What is tried next: the mean and the sum of the models, then what the sampler proposes."""
    first = [search.search.even, (Fraction(1),) * len(search.search.models)]
    known = [KnownMerge(one.weights, one.objective(found.objective)) for one in found.measured]
    return next_weights(search.search.settings, first, [*_single(search, found), *known])


def _single(search: _Search, found: Standing) -> list[KnownMerge]:
    """Each model by itself, which is the merge with a weight of 1 and no other: it is measured."""
    low, high = search.search.settings.weights.uniform
    if not (low <= 0 and high >= 1):
        return []
    by_label = {outcome.label: outcome for outcome in search.outcomes}
    known = []
    for place, label in enumerate(search.search.recipes):
        weights = [Fraction(0)] * len(search.search.recipes)
        weights[place] = Fraction(1)
        losses = {corpus: final_loss(by_label[label], corpus) for corpus in found.objective}
        value = Tried(-1, "", tuple(weights), losses).objective(found.objective)
        known.append(KnownMerge(tuple(weights), value))
    return [one for one in known if not math.isnan(one.objective)]


def _make(search: _Search, best: Tried, run: Run) -> None:
    """Make the best merge a state, and name it in the tree of the sweep."""
    trained = next(o for o in search.outcomes if o.label == search.search.recipes[0])
    run(search.task(best.weights, more_rows(trained)), True)
    write_best_merge(search.storage, search.sweep.name, search.search, best.state)


def _progress(found: Standing) -> str:
    last, best = found.tried[-1], found.best or found.tried[-1]
    named = zip(found.search.shares, last.weights, strict=True)
    weights = ", ".join(f"{corpus} {format_number(weight)}" for corpus, weight in named)
    value, lowest = (one.objective(found.objective) for one in (last, best))
    return (
        f"{len(found.measured)} of {found.search.settings.trials} merges: {weights}: {value:.4f}, "
        f"the lowest is {lowest:.4f}"
    )
