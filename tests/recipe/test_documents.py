"""`documents` in a recipe: in names only where it is used, in no sweep, and told by the plan."""

from __future__ import annotations

import pytest

from raycl.errors import InputError
from raycl.recipe import parse_recipe
from raycl.recipe.checks import check_fields
from raycl.recipe.documents import documents_text
from raycl.recipe.variants import expand
from tests.helpers.recipe_data import WHERE, recipe_data, resolved


def test_only_documents_that_are_kept_apart_are_in_names() -> None:
    plain = resolved(recipe_data()).chain
    assert resolved(recipe_data(documents="attend_across")).chain.name(40) == plain.name(40)
    within = resolved(recipe_data(documents="attend_within"))
    assert within.documents == "attend_within"
    assert within.chain.divergence(plain) == 0
    assert within.chain.name(0) != plain.name(0)


def test_every_recipe_of_a_sweep_has_it_and_baselines_too() -> None:
    data = recipe_data(
        documents="attend_within",
        sweep={"new.replay": ["0%", "5%"]},
        baselines=["union", "scratch", "previous"],
    )
    assert {v.recipe.documents for v in expand(data, WHERE)} == {"attend_within"}


def test_it_is_in_no_sweep() -> None:
    """A mean without the first tokens of documents is lower, and would always look better."""
    data = recipe_data(sweep={"documents": ["attend_across", "attend_within"]})
    with pytest.raises(InputError, match=r"sweep\.documents: cannot be swept: losses within"):
        check_fields(parse_recipe(data, WHERE), WHERE)


def test_the_plan_says_what_borders_are() -> None:
    assert documents_text(parse_recipe(recipe_data(), WHERE)) == ""
    plain = documents_text(parse_recipe(recipe_data(documents="attend_within"), WHERE))
    assert "do not compare" in plain
    assert "control_tokens" not in plain
    told = {"load": "tokenizer", "control_tokens": "tokens"}
    data = recipe_data(documents="attend_within", tokenizer=told)
    assert "is a border as well" in documents_text(parse_recipe(data, WHERE))
