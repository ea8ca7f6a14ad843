"""Advice on a stored sweep, from the states that its storage holds now."""

from __future__ import annotations

from raycl.advice.advice import Advice, RecipeSource
from raycl.advice.advise import advise
from raycl.errors import InputError
from raycl.recipe.sweep_plan import SweepPlan
from raycl.results.stored_results import outcomes_of, stored_plan
from raycl.results.table import results_table
from raycl.states.tree_record import stored_sweeps
from raycl.storage import Storage, layout


def stored_advice(
    storage: Storage, sweep: str | None = None, objective: str | None = None
) -> Advice:
    """What to use of a stored sweep and why; see `advise`. Without a name it is the only one.

    Raises InputError where there is no such sweep, or the objective is no number of its table.
    """
    plan = stored_plan(storage, _name(storage, sweep))
    outcomes = outcomes_of(plan, storage)
    return advise(outcomes, results_table(outcomes), source_of(plan, storage), objective)


def source_of(plan: SweepPlan, storage: Storage) -> RecipeSource:
    """Where the recipe of a plan of one sweep stands: its copy in a local storage, else its file.

    The copy has the overrides and the scale with which the sweep was run.
    """
    definition = plan.sweeps[0].definition
    name = definition.recipe.name
    stored = storage.full_path(layout.sweep_recipe(name))
    file = f"{name}.yaml" if "://" in definition.where else definition.where
    return RecipeSource(file if "://" in stored else stored, storage.url, name, definition.data)


def _name(storage: Storage, sweep: str | None) -> str:
    names = stored_sweeps(storage)
    where = f"storage {storage.url!r}"
    if not names:
        raise InputError(where, "no sweep here", "Run `raycl sweep` first")
    if sweep is not None and sweep not in names:
        problem = f"no sweep {sweep!r}"
        raise InputError(where, problem, f"Known sweeps: {', '.join(names)}")
    if sweep is None and len(names) > 1:
        raise InputError(where, f"{len(names)} sweeps here", f"Give one of: {', '.join(names)}")
    return sweep or names[0]
