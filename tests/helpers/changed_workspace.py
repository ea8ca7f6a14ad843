"""Changes of a workspace (recipe, text, tokenizer, pretrained model), and the names that result.

The corpora are really prepared, in this process, and the names are those that a sweep would train.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from raycl.data.prepare import ray_tasks
from raycl.recipe.definition import define, read_manifests
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.storage import Storage
from raycl.sweep.prepare_corpora import prepare_all, ready_text
from tests.helpers.held_out_text import run_here
from tests.helpers.workspace import add_base, make_workspace, recipe, write

Change = Callable[[Path], object]
WEIGHTS = "base/model.safetensors"


def end_states(folder: Path) -> list[str]:
    """Names of the last states of all recipes of the workspace, its corpora newly prepared."""
    storage = Storage(folder / "storage")
    definition = define(folder / "recipe.yaml")
    material = definition.recipe
    with patch.object(ray_tasks, "run_tasks", run_here):
        sources = ready_text(material, storage, "recipe.yaml", lambda _: None)
        prepare_all(material, sources, storage, lambda _: None)
    return names(plan_sweeps((definition,), storage, read_manifests((definition,), storage)))


def names(plan: SweepPlan) -> list[str]:
    """Names of the last states of all recipes."""
    chains = [training.chain for training in plan.tree.recipes.values()]
    return [chain.name(chain.steps) for chain in chains]


def with_base(folder: Path) -> None:
    """The workspace of all tests: the recipe continues from a pretrained model."""
    add_base(folder)
    write(folder, continued())


def continued(**changes: Any) -> dict[str, Any]:
    """The recipe of all tests, with other fields."""
    return recipe(**{"model": {"pretrained": "./base"}, **changes})


def changed_names(folder: Path, change: Change, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names after the change."""
    make_workspace(folder)
    with_base(folder)
    change(folder)
    monkeypatch.chdir(folder)
    return end_states(folder)


def usual_names(folder: Path) -> list[str]:
    """Names in a workspace that nobody changed; `folder` is empty."""
    with pytest.MonkeyPatch.context() as patch_folder:
        return changed_names(folder, lambda _: None, patch_folder)


def written(**changes: Any) -> Change:
    """The change that replaces fields of the recipe."""
    return lambda folder: write(folder, continued(**changes))


def stage(**fields: Any) -> Change:
    """The change that replaces fields of the recipe's last stage."""
    first, last = recipe()["stages"]
    return written(stages=[first, {**last, **fields}])


def corpus(**fields: Any) -> Change:
    """The change that replaces fields of the corpus `old`."""
    corpora = recipe()["corpora"]
    return written(corpora={**corpora, "old": {**corpora["old"], **fields}})


def knowing(stand_ins: Any) -> Change:
    """The change that names what the pretrained model knows."""
    return written(model={"pretrained": "./base", "knows": stand_ins})


def new_alone(stand_ins: Any, **fields: Any) -> Change:
    """The change that leaves the last stage alone, after what the pretrained model knows."""
    model = {"pretrained": "./base", "knows": stand_ins}
    corpora = {**recipe()["corpora"], "more": {"text": "text/old.jsonl", "validation": "30%"}}
    stages = [{**recipe()["stages"][1], **fields}]
    return written(model=model, stages=stages, corpora=corpora)


def model_field(name: str, value: Any) -> Change:
    """The change of one field of the pretrained model's config.json."""

    def change(folder: Path) -> None:
        path = folder / "base/config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))

    return change
