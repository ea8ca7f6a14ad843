"""The results of a stored sweep, computed from the states that its storage holds now."""

from __future__ import annotations

from raycl.errors import InputError
from raycl.recipe.resolution import stored_resolution
from raycl.recipe.stored_recipe import read_recipe
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.results.gather import gather
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.storage import Storage


def stored_plan(storage: Storage, sweep: str) -> SweepPlan:
    """The plan of a stored sweep.

    Raises InputError where its recipe is missing or cannot be resolved any more.
    """
    try:
        definition = read_recipe(storage, sweep)
    except FileNotFoundError as error:
        where = f"sweep {sweep!r} in {storage.url}"
        raise InputError(where, "its recipe is not stored", "Run `raycl sweep` with it") from error
    return plan_sweeps((definition,), storage, resolution=stored_resolution(storage, sweep))


def outcomes_of(plan: SweepPlan, storage: Storage) -> list[RecipeOutcome]:
    """The outcomes of a planned sweep's recipes, from the states that storage holds."""
    return gather(plan.sweeps[0], StoredStates(storage, plan.states))
