"""A search whose recipes are trained in this process, without Ray."""

from __future__ import annotations

from typing import Any

from raycl.recipe.definition import Definition, definition_of, with_stored_proposals
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.gather import gather
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.search.study import Study
from raycl.storage import Storage
from raycl.sweep.description import write_description
from tests.helpers.finished_sweep import RECIPE, train_node

GRID: dict[str, Any] = {
    "new.replay": {"uniform": ["0%", "50%"]},
    "new.schedule.max_lr": {"log": ["1e-3", "3e-2"]},
}


def searched(sweep: Any = None, name: str = "searched", **search: Any) -> Definition:
    """The recipe of `finished_sweep` with a search instead of its grid."""
    search = {"sampler": "random", "trials": 4, **search}
    return definition_of(
        {**RECIPE, "name": name, "sweep": GRID if sweep is None else sweep, "search": search},
        "searched.yaml",
    )


def train_all(definition: Definition, storage: Storage) -> dict[int, RecipeOutcome]:
    """Train what storage lacks of a sweep and describe it; the outcomes by proposal."""
    whole = with_stored_proposals(definition, storage)
    plan = plan_sweeps((whole,), storage)
    write_description(whole, storage, plan.tree)
    for node in plan.tree.nodes:
        if node.name not in plan.states:
            train_node(node.training, storage)
    plan = plan_sweeps((whole,), storage)
    found = {o.label: o for o in gather(plan.sweeps[0], StoredStates(storage, plan.states))}
    return {n: found[v.label] for v in whole.variants for n in v.proposals}


def run_search(definition: Definition, storage: Storage) -> Study:
    """A whole search, one recipe after another."""
    study = Study(definition, storage)
    while (proposal := study.propose()) is not None:
        study.tell(proposal.number, train_all(definition, storage)[proposal.number])
    return study
