"""The best recipe of a stored sweep, by the numbers that its results table shows."""

from __future__ import annotations

import pandas as pd

from raycl.errors import InputError
from raycl.recipe.resolution import stored_resolution
from raycl.recipe.stored_recipe import read_recipe
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.gather import gather
from raycl.results.outcome import BASELINES
from raycl.results.report.table import averages_are_alike
from raycl.results.stored_states import StoredStates
from raycl.results.table import results_table
from raycl.states.earlier import earlier_names
from raycl.states.tree_record import TreeRecord
from raycl.storage import Storage

_BY_LABEL = "Name a recipe by its label, or a state"


def best_recipe(storage: Storage, sweep: str, tree: TreeRecord) -> tuple[str, str]:
    """Label and last state of the finished recipe, no baseline, with the lowest AVG.

    Of equal ones it is the first in the table. Raises InputError where no recipe is finished, or
    where their averages do not exist or do not compare.
    """
    where = f"'best' of the sweep {sweep!r}"
    if earlier_names(node.name for node in tree.nodes):
        problem = "an earlier version of raycl named its states, and their losses are not found"
        raise InputError(where, problem, _BY_LABEL)
    table = sweep_table(storage, sweep)
    own = table[~table["kind"].isin(BASELINES)]
    finished = own[own["status"] == "finished"]
    if finished.empty:
        problem = f"none of its {len(own)} recipes is finished"
        raise InputError(where, problem, "Run `raycl sweep` with its recipe again")
    labels = "; ".join(finished["recipe"].head(8))
    if not averages_are_alike(finished):
        problem = "its recipes learn different corpora, so that their averages do not compare"
        raise InputError(where, problem, f"{_BY_LABEL}. Finished: {labels}")
    if (lacking := finished[finished["average"].isna()]["recipe"]).any():
        problem = f"losses are missing, so that recipes have no average: {'; '.join(lacking[:8])}"
        raise InputError(where, problem, f"`raycl report` says why. {_BY_LABEL}")
    best = finished.sort_values("average", kind="stable").iloc[0]
    return str(best["recipe"]), str(best["state"])


def sweep_table(storage: Storage, sweep: str) -> pd.DataFrame:
    """The results table of a stored sweep, computed from the states that storage holds.

    Raises InputError where its recipe is missing or cannot be resolved any more.
    """
    try:
        definition = read_recipe(storage, sweep)
    except FileNotFoundError as error:
        where = f"sweep {sweep!r} in {storage.url}"
        raise InputError(where, "its recipe is not stored", "Run `raycl sweep` with it") from error
    plan = plan_sweeps((definition,), storage, resolution=stored_resolution(storage, sweep))
    return results_table(gather(plan.sweeps[0], StoredStates(storage, plan.states)))
