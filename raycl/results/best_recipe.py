"""The best recipe of a stored sweep, by the numbers that its results table shows.

It is one of those that a sweep chooses among: its recipes, their anneal branches and merged models.
Baselines are none of them, and neither is the model as it came, whose kind is `previous`.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from raycl.errors import InputError
from raycl.recipe.schema.search import AVERAGE, Objective
from raycl.recipe.sweep_plan import PlannedSweep, SweepPlan
from raycl.results.objective import objective_text
from raycl.results.outcome import BASELINES
from raycl.results.report.table import averages_are_alike
from raycl.results.search_results import compared
from raycl.results.settings import SEED, SETTING, has_seeds, ranked
from raycl.results.stored_results import outcomes_of, stored_plan
from raycl.results.table import results_table
from raycl.states.earlier import earlier_names
from raycl.states.tree_record import TreeRecord, find_tree_record
from raycl.storage import Storage

_BY_LABEL = "Name a recipe by its label, or a state"


def best_recipe(
    storage: Storage, sweep: str, tree: TreeRecord, by: str | None = None
) -> tuple[str, str]:
    """Label and last state of the best finished recipe, no baseline.

    `by` names a column of the results table, or a corpus for its loss; the lowest value is the
    best. Without it the sweep's search says what is compared, and in any other sweep it is AVG. It
    may be a merged model. With `seeds` it is the setting with the lowest mean over them, among
    those with the most finished seeds, and of it the lowest seed. Of equal ones it is the first in
    the table. Raises InputError where no recipe is finished, where there is no such number, where
    averages do not exist or do not compare, and where a search has several objectives.
    """
    where = f"'best' of the sweep {sweep!r}"
    if _has_earlier_names(tree):
        problem = "an earlier version of raycl named its states, and their losses are not found"
        raise InputError(where, problem, _BY_LABEL)
    plan = stored_plan(storage, sweep)
    own = _own_rows(_table(plan, storage))
    finished = own[own["status"] == "finished"]
    objective = _objective(plan)
    if finished.empty:
        problem = f"none of its {len(own)} recipes is finished"
        raise InputError(where, problem, "Run `raycl sweep` with its recipe again")
    if by is None and objective is not None:
        return _by_objective(finished, objective, where)
    by = by or "average"
    column = "average" if by == "average" else _column(finished, by, where)
    if column == "average" and (unknown := _not_compared(finished)) is not None:
        raise InputError(where, *unknown)
    best = _best_rows(finished, column).iloc[0]
    return str(best["recipe"]), str(best["state"])


def _best_rows(finished: pd.DataFrame, column: str) -> pd.DataFrame:
    """The row with the lowest value; with seeds those of the setting with the lowest mean.

    The first of them is that of the lowest seed: to take the best of them would be to choose by
    noise. Settings with fewer finished seeds than others come last.
    """
    if not has_seeds(finished):
        return finished.sort_values(column, kind="stable").head(1)
    best: pd.DataFrame = finished[finished[SETTING] == ranked(finished, column, -1)[0]]
    return best.sort_values(SEED, kind="stable")


def _objective(plan: SweepPlan) -> Objective | None:
    """What the sweep's search compares by; None where that is AVG, as in every other sweep."""
    search = plan.sweeps[0].definition.recipe.search
    if search is None or search.objective == Objective(minimize=(AVERAGE,)):
        return None
    return search.compared


def _by_objective(finished: pd.DataFrame, objective: Objective, where: str) -> tuple[str, str]:
    found = compared(finished, objective)
    if len(objective.goals) > 1:
        problem = f"its search has {len(objective.goals)} objectives, and none of them comes first"
        on_front = "; ".join(found.front[:8]) or "nobody"
        raise InputError(where, problem, f"{_BY_LABEL}. On the Pareto front: {on_front}")
    if found.best is None:
        problem = f"no finished recipe has the numbers of its search: {objective_text(objective)}"
        raise InputError(where, problem, _BY_LABEL)
    best = finished[finished["recipe"] == found.best].iloc[0]
    return str(best["recipe"]), str(best["state"])


def _column(finished: pd.DataFrame, by: str, where: str) -> str:
    """The column of the table that is meant. Raises InputError where it holds no numbers."""
    for name in (f"loss/{by}", by):
        if name in finished.select_dtypes("number") and finished[name].notna().any():
            return name
    known = ", ".join(map(str, finished.select_dtypes("number")))
    raise InputError(f"{where} by {by!r}", "no numbers of this name", f"Known: {known}")


def states_to_keep(storage: Storage, sweep: str) -> frozenset[str]:
    """The states whose weights the sweep may still be asked for as its best.

    That is the end of every recipe with the lowest AVG, or the best by the sweep's search; of an
    anneal branch that of its trunk too, from which `raycl extend` goes on; the deepest state of
    each recipe that is not finished; and each merge that is not measured. Where averages are
    missing or do not compare, all recipes' ends are among them. Raises InputError where the
    sweep's results cannot be computed.
    """
    tree = find_tree_record(storage, sweep)
    if _has_earlier_names(tree):
        return frozenset(tree.states)
    plan = stored_plan(storage, sweep)
    own = _own_rows(_table(plan, storage))
    finished = own[own["status"] == "finished"]
    best, others = finished, own[own["status"] != "finished"]
    objective = _objective(plan)
    if not finished.empty and objective is not None:
        best = _kept(finished, objective)
    elif not finished.empty and _not_compared(finished) is None:
        best = finished[finished["average"] == finished["average"].min()]
        if has_seeds(finished):
            best = _best_rows(finished, "average")
    trunks = _trunks(plan.sweeps[0], set(best["recipe"]))
    measured = set(finished["recipe"])
    merges = {merge.name for merge in plan.sweeps[0].merges if merge.label not in measured}
    return frozenset({*best["state"], *others["state"], *trunks, *merges}) - {""}


def _kept(finished: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """The rows that a search may still be asked for; all where its numbers are not known."""
    found = compared(finished, objective)
    chosen = found.front if len(objective.goals) > 1 else [found.best]
    return finished[finished["recipe"].isin(chosen)] if any(chosen) else finished


def _trunks(sweep: PlannedSweep, labels: Collection[str]) -> set[str]:
    """The ends of the trunks that those of the recipes leave which are anneal branches."""
    trunks = {v.label: v.trunk for v in sweep.definition.variants if v.kind == "anneal"}
    chains = [sweep.trainings[trunks[label]].chain for label in labels if label in trunks]
    return {chain.name(chain.steps) for chain in chains}


def _has_earlier_names(tree: TreeRecord) -> bool:
    return bool(earlier_names(node.name for node in tree.nodes))


def _own_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that a sweep chooses among: all but its baselines."""
    return table[~table["kind"].isin(BASELINES)]


def _not_compared(finished: pd.DataFrame) -> tuple[str, str] | None:
    """Why averages of finished recipes do not tell the best, and what to do; None if they do."""
    labels = "; ".join(finished["recipe"].head(8))
    if not averages_are_alike(finished):
        problem = "its recipes learn different corpora, so that their averages do not compare"
        return problem, f"{_BY_LABEL}. Finished: {labels}"
    if (lacking := finished[finished["average"].isna()]["recipe"]).any():
        problem = f"losses are missing, so that recipes have no average: {'; '.join(lacking[:8])}"
        return problem, f"`raycl report` says why. {_BY_LABEL}"
    return None


def _table(plan: SweepPlan, storage: Storage) -> pd.DataFrame:
    """The results table of a planned sweep, computed from the states that storage holds."""
    return results_table(outcomes_of(plan, storage))
