"""A search algorithm is one function from a recipe to points."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from raycl.errors import InputError
from raycl.recipe import expand, parse_recipe
from raycl.recipe.schema import Recipe
from raycl.recipe.search import Point, Search, as_text, grid_search, label_of
from tests.helpers.recipe_data import WHERE, recipe_data


def random_search(recipe: Recipe) -> Iterator[Point]:
    """Three rates between 1e-4 and 1e-2, as the recipe's seed has them."""
    generator = random.Random(recipe.seed)
    for _ in range(3):
        fields = {"new.schedule.max_lr": 10 ** generator.uniform(-4, -2)}
        yield Point(label_of(fields), fields)


def test_another_algorithm_is_a_function() -> None:
    search: Search = random_search
    made = expand(recipe_data(seed=3, baselines=["union"]), WHERE, search)
    assert [variant.kind for variant in made] == ["sweep"] * 3 + ["union"]
    rates = [float(variant.recipe.stages[1].schedule.max_lr) for variant in made[:3]]
    assert len(set(rates)) == 3
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert [variant.label for variant in made[:3]] == [f"max_lr {rate:g}" for rate in rates]
    assert made == expand(recipe_data(seed=3, baselines=["union"]), WHERE, search)
    assert made[0] != expand(recipe_data(seed=4), WHERE, search)[0]


def test_an_algorithm_whose_field_is_not_there_is_told() -> None:
    def wrong(_: Recipe) -> Iterator[Point]:
        yield Point("wrong", {"nww.replay": "1%"})

    with pytest.raises(InputError, match=r"my\.yaml: sweep: nww\.replay.*Did you mean 'new'"):
        expand(recipe_data(), WHERE, wrong)


def test_a_grid_takes_every_combination_and_a_label_names_what_varies() -> None:
    grid = {"label": "weak", "new.replay": ["5%"], "seed": [1, 2]}
    points = list(grid_search(parse_recipe(recipe_data(sweep=grid), WHERE)))
    assert points == [
        Point("weak, seed 1", {"new.replay": "5%", "seed": 1}, "weak"),
        Point("weak, seed 2", {"new.replay": "5%", "seed": 2}, "weak"),
    ]
    assert list(grid_search(parse_recipe(recipe_data(), WHERE))) == [Point("", {})]


def test_values_as_people_read_them() -> None:
    assert (
        as_text({"kind": "cosine", "max_lr": 3e-4, "at": [1, 2]})
        == "cosine max_lr 0.0003 at [1, 2]"
    )
