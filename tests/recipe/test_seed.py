"""What a recipe's seed varies: the initial weights, and nothing where they are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.recipe import Recipe, expand, parse_recipe
from raycl.recipe.seed import seed_text
from tests.helpers.recipe_data import WHERE, recipe_data, resolved

PRETRAINED = {"pretrained": "some/model"}


def test_a_seed_names_other_weights_and_the_same_rows() -> None:
    one, two = (resolved(recipe_data(seed=seed)).chain for seed in (1, 2))
    assert one.name(0) != two.name(0)
    assert [one.rows(step) for step in range(40)] == [two.rows(step) for step in range(40)]


def test_seeds_that_vary_nothing_are_refused() -> None:
    data = recipe_data(model=PRETRAINED, sweep={"seed": [1, 2], "new.replay": ["0%", "5%"]})
    with pytest.raises(InputError, match=r"my\.yaml: sweep\.seed.* 1 and 2 would be the same"):
        expand(data, WHERE)
    assert len(expand({**data, "model": {"preset": "gpt-neox-tiny"}}, WHERE)) == 4
    assert len(expand(recipe_data(model=PRETRAINED, sweep={"seed": [7]}), WHERE)) == 1
    # A seed that comes with another difference is no seed alone.
    grids = [{"seed": [1], "new.replay": ["0%"]}, {"seed": [2], "new.replay": ["5%"]}]
    assert len(expand(recipe_data(model=PRETRAINED, sweep=grids), WHERE)) == 2


def test_seeds_vary_adapters_of_a_pretrained_model() -> None:
    trains = [{"lora": {"rank": 4}}]
    data = recipe_data(model=PRETRAINED, sweep={"seed": [1, 2], "new.trains": trains})
    found = [variant.recipe for variant in expand(data, WHERE)]
    assert [recipe.seed for recipe in found] == [1, 2]
    plain = parse_recipe(recipe_data(model=PRETRAINED), WHERE)
    assert "changes the first values of LoRA adapters alone" in seed_text(plain, found)
    random = parse_recipe(recipe_data(), WHERE)
    assert "draws the initial weights and the first values of LoRA" in seed_text(random, found)


def test_schema_and_plan_say_what_it_varies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = Recipe.model_json_schema()["properties"]["seed"]["description"]
    assert "initial weights" in described
    assert "order of rows" in described
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(recipe_data(seed=3)))
    with pytest.raises(SystemExit):
        main(["plan", str(path)])
    out = " ".join(capsys.readouterr().out.split())
    assert "Seed 3 draws the initial weights, and nothing else" in out


def test_what_a_seed_varies_with_a_pretrained_model() -> None:
    def text(**changes: object) -> str:
        return seed_text(parse_recipe(recipe_data(model=PRETRAINED, **changes), WHERE))

    assert "changes nothing" in text()
    assert "changes the weights of the baseline from scratch alone" in text(baselines=["scratch"])


def test_adapters_and_weights_that_are_made_random_are_drawn_from_the_seed() -> None:
    first, last = recipe_data()["stages"]
    adapters = {"stages": [first, {**last, "trains": {"lora": {"rank": 2}}}], "model": PRETRAINED}
    anew = {"model": {**PRETRAINED, "weights": "random"}}
    drawn: dict[str, dict[str, Any]] = {
        "changes the first values of LoRA adapters alone": adapters,
        "draws the initial weights, and nothing else": anew,
    }
    for words, fields in drawn.items():
        assert words in seed_text(parse_recipe(recipe_data(**fields), WHERE))
        assert len(expand(recipe_data(**fields, sweep={"seed": [1, 2]}), WHERE)) == 2
