"""A small finished sweep with states inside its nodes, from which recipes branch off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raycl.data.manifest import fingerprinted, load_manifest, write_manifest
from raycl.data.tokenizer import store_tokenizer
from raycl.recipe.branch_place import Wanted
from raycl.recipe.definition import Definition, definition_of
from raycl.recipe.stored_recipe import read_recipe
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.storage import Storage
from raycl.sweep.description import write_description
from tests.helpers.finished_sweep import RECIPE, small_tokenizer, train_node
from tests.helpers.training_runs import make_storage

SETTINGS = {"precision": "float32", "keep_every": 3}
FIRST, LAST = 6, 12
"""Steps before and after the stage `new`."""


def branched_recipe(**fields: Any) -> Definition:
    """The sweep `small`, whose stage `new` has the replays 0% and 50%."""
    return definition_of({**RECIPE, "execution": SETTINGS, **fields}, "small.yaml")


def prepared_storage(folder: Path) -> Storage:
    """A storage with the corpora of the sweep, and nothing that was trained."""
    storage = make_storage(folder)
    fingerprint = store_tokenizer(storage, small_tokenizer())
    for name in ("new", "older"):
        manifest = load_manifest(storage, f"corpora/{name}")
        write_manifest(storage, f"corpora/{name}", fingerprinted(manifest, tokenizer=fingerprint))
    return storage


def trained(storage: Storage, definition: Definition) -> SweepPlan:
    """Describe a sweep and train what the storage lacks of it; the plan before that."""
    plan = plan_sweeps((definition,), storage)
    write_description(definition, storage, plan.tree)
    for node in plan.left:
        train_node(node.training, storage)
    return plan


def trained_again(storage: Storage) -> SweepPlan:
    """Train what the stored sweep lacks, with all that was added to it; the plan before that."""
    return trained(storage, read_recipe(storage, "small"))


def wanted(sets: dict[str, Any], at: str = "latest", label: str = "replay 50%") -> Wanted:
    """A branch off the last node of a recipe."""
    return Wanted("small", (label,), sets, FIRST, LAST, at, label)
