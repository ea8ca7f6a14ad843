"""A small recipe as plain data, with its corpora, for tests of everything that reads recipes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from raycl.plan.training import Training
from raycl.recipe import CorpusFacts, Variant, expand, parse_recipe, resolve
from raycl.recipe.definition import Definition, definition_of

SCHEDULE = {"kind": "cosine", "max_lr": "3e-3", "min_lr": "10%", "warmup": "5%"}
WHERE = "my.yaml"


def recipe_data(**changes: Any) -> dict[str, Any]:
    """Stages `old` and `new` of 20 steps of 8 rows of 16 tokens; `changes` replace fields."""
    data: dict[str, Any] = {
        "name": "small",
        "model": {"preset": "gpt-neox-tiny"},
        "tokenizer": "tokenizer",
        "sequence_length": 16,
        "global_batch": 8,
        "corpora": {"old": {"text": "old.jsonl"}, "new": {"text": "new.jsonl"}},
        "stages": [
            {"name": "old", "steps": 20, "schedule": SCHEDULE},
            {"name": "new", "steps": 20, "replay": "25%", "schedule": SCHEDULE},
        ],
        "validation": {"rows": 4},
    }
    return copy.deepcopy({**data, **changes})


def changed(stage: int, **changes: Any) -> dict[str, Any]:
    """The small recipe with fields of one stage replaced; None removes one."""
    data = recipe_data()
    fields = {**data["stages"][stage], **changes}
    data["stages"][stage] = {key: value for key, value in fields.items() if value is not None}
    return data


def facts(names: Mapping[str, int], length: int = 17, vocabulary: int = 1000) -> dict[str, Any]:
    """Facts of prepared corpora, by name and number of rows."""
    return {
        name: CorpusFacts(f"corpora/{name}", rows, 64, length, vocabulary, f"print-{name}")
        for name, rows in names.items()
    }


def resolved(data: Mapping[str, Any], rows: int = 10_000) -> Training:
    """The training of a recipe whose corpora have `rows` rows each."""
    recipe = parse_recipe(data, WHERE)
    return resolve(recipe, facts(dict.fromkeys(recipe.corpora, rows)), WHERE)


def variants(**changes: Any) -> dict[str, Variant]:
    """The recipes of a changed small recipe, by label."""
    return {variant.label: variant for variant in expand(recipe_data(**changes), WHERE)}


def defined(**changes: Any) -> Definition:
    """The definition of a changed small recipe."""
    return definition_of(recipe_data(**changes), WHERE)


def write_recipe(folder: Path, data: Mapping[str, Any]) -> Path:
    """The recipe as a YAML file in the folder."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(dict(data), sort_keys=False))
    return path
