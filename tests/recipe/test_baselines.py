"""Baselines of infinite recipes are annealed as the recipes are, and get as many tokens."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from raycl.recipe import Variant, expand, resolve
from tests.helpers.recipe_data import WHERE, facts, recipe_data

INFINITE = {
    "kind": "infinite",
    "max_lr": "3e-3",
    "constant_lr": "2e-3",
    "min_lr": "3e-4",
    "warmup": "5%",
    "cooldown": "50%",
}
ANNEAL = {"length": "25%", "min_lr": "3e-4"}
BASELINES = ["union", "scratch", "previous"]


def made(last: dict[str, Any], first: dict[str, Any] | None = None) -> dict[str, Variant]:
    """The variants of a recipe with an infinite first stage of 20 steps and this last stage."""
    data = recipe_data(baselines=BASELINES)
    data["stages"][0] |= {"schedule": INFINITE, **(first or {})}
    data["stages"][1] |= {"schedule": "continue", **last}
    variants = expand(data, WHERE)
    names = {"sweep": "trunk", "anneal": "branch"}
    return {names.get(variant.kind, variant.kind): variant for variant in variants}


def steps_and_rates(variant: Variant) -> tuple[int, float, float]:
    """Steps of the whole recipe, the highest rate of its last steps, and the rate after them."""
    corpora = facts({"old": 9999, "new": 9999})
    chain = resolve(variant.recipe, corpora, WHERE, variant.branch).chain
    rates = chain.learning_rates(chain.steps - 6, chain.steps)
    return chain.steps, float(rates[0]), float(rates[-1])


def test_annealed_branches_are_compared_with_annealed_baselines() -> None:
    variants = made({"anneal": ANNEAL})
    branch, union, scratch, previous = (
        steps_and_rates(variants[kind]) for kind in ("branch", "union", "scratch", "previous")
    )
    assert branch[0] == union[0] == 45
    assert scratch[0] == previous[0] == 25
    for found in (branch, union, scratch, previous):
        assert found[1] == pytest.approx(2e-3)
        assert found[2] < 7e-4
    assert union[1:] == pytest.approx(branch[1:])
    assert variants["union"].recipe.stages[0].mixture == {
        "old": Fraction(1, 2),
        "new": Fraction(1, 2),
    }
    assert steps_and_rates(variants["trunk"]) == (40, 2e-3, 2e-3)


def test_a_branch_that_leaves_early_is_what_a_baseline_is_as_long_as() -> None:
    variants = made({"anneal": {**ANNEAL, "at": ["25%", "50%"]}})
    assert steps_and_rates(variants["union"])[0] == 20 + 10 + 5
    assert steps_and_rates(variants["scratch"])[0] == 10 + 5


@pytest.mark.parametrize(
    ("schedule", "length"),
    [
        ({"kind": "wsd", "max_lr": "2e-3", "min_lr": "3e-4", "warmup": "0%", "decay": "25%"}, 5),
        ({**INFINITE, "warmup": "0%", "anneal": "25%"}, 5),
        ({"kind": "wsd", "max_lr": "parent", "min_lr": "15%", "warmup": "0%", "decay": "25%"}, 5),
        ({"kind": "cosine", "max_lr": "2e-3", "min_lr": "3e-4", "warmup": "0%"}, 20),
    ],
)
def test_a_last_stage_that_falls_by_itself_makes_the_union_fall(
    schedule: dict[str, Any], length: int
) -> None:
    variants = made({"schedule": schedule})
    union = variants["union"]
    steps, _, last = steps_and_rates(union)
    assert steps == steps_and_rates(variants["trunk"])[0] == 40
    assert last == pytest.approx(steps_and_rates(variants["trunk"])[2], rel=0.01)
    assert union.recipe.stages[0].steps == 40 - length


def test_where_recipes_stay_on_their_plateau_so_do_baselines() -> None:
    for kind in BASELINES:
        assert steps_and_rates(made({})[kind])[2] == 2e-3
        assert made({})[kind].branch is None


def test_a_baseline_that_falls_by_itself_is_as_long_as_the_branch() -> None:
    cosine = {"kind": "cosine", "max_lr": "3e-3", "min_lr": "10%", "warmup": "5%"}
    variants = made(
        {"schedule": {"kind": "constant", "max_lr": "2e-3"}, "anneal": ANNEAL}, {"schedule": cosine}
    )
    assert steps_and_rates(variants["union"])[0] == 45
    assert variants["union"].branch is None
    assert steps_and_rates(variants["previous"])[0] == 20


def test_a_plateau_below_the_final_rate_is_not_annealed_upwards() -> None:
    low = {"kind": "constant", "max_lr": "1e-5"}
    high = {"kind": "cosine", "max_lr": "1e-3", "min_lr": "1e-4", "warmup": "0%"}
    union = made({"schedule": high}, {"schedule": low})["union"]
    assert union.branch is None
    assert steps_and_rates(union)[0] == 40


PARTS = [("all", "all"), ("embeddings", "embeddings"), ("embeddings", "all"), ("all", {"lora": {}})]


@pytest.mark.parametrize(("first", "second"), PARTS)
def test_the_union_trains_what_all_stages_train_and_else_all(first: Any, second: Any) -> None:
    data = recipe_data(baselines=["union", "scratch", "previous"])
    for stage, trains in zip(data["stages"], (first, second), strict=True):
        stage["trains"] = trains
    found = {v.kind: [s.trains.text for s in v.recipe.stages] for v in expand(data, WHERE)}
    assert found["union"] == ["embeddings" if first == second == "embeddings" else "all"]
    assert found["scratch"] == ["all"]
    assert found["previous"] == [first]
