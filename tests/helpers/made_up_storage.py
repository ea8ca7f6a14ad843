"""A storage with a sweep that nobody trained: three states of histories and marks alone."""

from __future__ import annotations

from pathlib import Path

from benchmarks.made_up_sweeps import write_state
from raycl.recipe.definition import Definition, definition_of
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.gather import gather
from raycl.results.stored_states import StoredStates
from raycl.results.table import write_results
from raycl.storage import Storage
from raycl.sweep.description import write_description

NAME = "small"
STEPS = 6
"""Of each of the two stages; the recipes share the first one."""


def definition() -> Definition:
    """Two recipes, whose second stage has the replays 0% and 50%."""
    schedule = {"kind": "cosine", "max_lr": 3e-4}
    stages = [
        {"name": name, "steps": STEPS, "schedule": schedule, "replay": replay}
        for name, replay in (("older", "0%"), ("new", "0%"))
    ]
    data = {
        "name": NAME,
        "model": {"preset": "gpt-neox-tiny"},
        "tokenizer": "none",
        "sequence_length": 128,
        "global_batch": 32,
        "corpora": {stage["name"]: {"text": ["nowhere"]} for stage in stages},
        "stages": stages,
        "sweep": {"new.replay": ["0%", "50%"]},
    }
    return definition_of(data, "small.yaml")


def made_up_storage(folder: Path) -> Storage:
    """A storage with the sweep, its states and its results table."""
    storage = Storage(folder / "storage")
    plan = plan_sweeps((definition(),), storage)
    write_description(plan.sweeps[0].definition, storage, plan.tree)
    for place, node in enumerate(plan.tree.nodes):
        write_state(node.training, storage, loss=4.0 - 0.1 * place)
    done = plan_sweeps((definition(),), storage)
    write_results(storage, NAME, gather(done.sweeps[0], StoredStates(storage, done.states)))
    return storage
