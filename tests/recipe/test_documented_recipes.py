"""docs/recipes.md is what a newcomer copies from: each example must train, each name be known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from raycl.plan.schedule import Schedule
from raycl.plan.tree import build_tree
from raycl.recipe import expand, resolve
from raycl.recipe.resolution import read_resolution
from tests.helpers.checkpoints import CONFIG, write_checkpoint
from tests.helpers.documented_recipes import PAGE, documented_recipes
from tests.helpers.recipe_data import facts

ROWS = 10**9


@pytest.mark.parametrize("example", documented_recipes(), ids=lambda example: "-".join(example))
def test_an_example_can_be_trained(
    example: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {**CONFIG, "vocab_size": 32_000, "max_position_embeddings": 2048}
    write_checkpoint(tmp_path / "my-model", config=config)
    monkeypatch.chdir(tmp_path)
    trainings = {}
    for variant in expand(example, "recipes.md"):
        recipe = variant.recipe
        corpora = facts(dict.fromkeys(recipe.corpora, ROWS), recipe.sequence_length + 1, 32_000)
        resolution = read_resolution([recipe], None)
        trainings[variant.label] = resolve(recipe, corpora, "recipes.md", resolution=resolution)
    assert build_tree(trainings).nodes


def test_every_kind_of_schedule_is_described() -> None:
    table = PAGE.read_text().partition("| kind | its fields |")[2].partition("\n\n")[0]
    described = set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE))
    kinds = {kind.model_fields["kind"].default for kind in get_args(get_args(Schedule)[0])}
    assert described == kinds
