"""Whole recipes that are trained without Ray, and their results."""

from __future__ import annotations

from typing import Any

import pandas as pd

from raycl.recipe.definition import Definition, corpus_facts, make_tree
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.gather import gather
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.results.table import results_table
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from raycl.sweep.description import write_description
from raycl.train.loop import train
from tests.helpers.recipe_data import defined
from tests.helpers.training_runs import make_batches


def outcomes_of(definition: Definition, storage: Storage) -> list[RecipeOutcome]:
    """What storage holds of a definition's recipes."""
    plan = plan_sweeps((definition,), storage)
    return gather(plan.sweeps[0], StoredStates(storage, plan.states))


def outcomes_table(definition: Definition, storage: Storage) -> pd.DataFrame:
    """The table of what storage holds of a definition's recipes."""
    return results_table(outcomes_of(definition, storage))


def trained_recipe(storage: Storage, **changes: Any) -> Definition:
    """A recipe of the corpora `older` and `new`; what storage lacks of it is trained."""
    stages = [
        {"name": n, "steps": 2, "schedule": {"kind": "constant", "max_lr": 1e-3}}
        for n in ("older", "new")
    ]
    corpora = {name: {"text": f"{name}.jsonl"} for name in ("older", "new")}
    definition = defined(**{"stages": stages, "corpora": corpora, **changes})
    tree = make_tree(definition, corpus_facts(definition, storage))
    write_description(definition, storage, tree)
    there = complete_states(storage)
    for node in tree.nodes:
        if node.name not in there:
            train(node.training, storage, make_batches(node.training, storage), lambda _: None)
    return definition
