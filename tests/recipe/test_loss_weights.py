"""Loss weights in a recipe: what is read, what is refused, and where they have no say."""

from __future__ import annotations

from typing import Any

import pytest

from raycl.errors import InputError
from raycl.plan.loss_weights import LossWeights
from raycl.recipe import parse_recipe
from raycl.recipe.schema import Stage
from tests.helpers.recipe_data import changed, recipe_data, resolved, variants


def test_a_stage_weighs_a_corpus_it_reads_as_replay() -> None:
    training = resolved(changed(1, loss_weight={"old": "50%", "new": 1}))
    first, second = training.chain.stages
    assert first.loss_weights.plain
    assert second.loss_weights == LossWeights((("old", 0.5),))
    assert second.loss_weights_text == (
        "a token of old counts 0.5 in the loss, so that 0.25 of the rows are 0.143 of it"
    )


def test_weights_of_1_leave_every_name_as_it_is() -> None:
    plain = resolved(recipe_data())
    for weights in ({}, {"old": 1}, {"old": 1.0, "new": "100%"}):
        assert resolved(changed(1, loss_weight=weights)).chain.name(40) == plain.chain.name(40)
    other = resolved(changed(1, loss_weight={"old": 0.5})).chain
    assert other.name(20) == plain.chain.name(20)
    assert other.name(21) != plain.chain.name(21)


@pytest.mark.parametrize(
    ("stage", "weights", "problem"),
    [
        (
            0,
            {"new": 0.5},
            r"stages\.old\.loss_weight\.new: the stage reads no rows of it.*reads old",
        ),
        (0, {"old": 0.5}, "only ratios of weights have an effect"),
        (1, {"old": 0, "new": 0}, "only ratios of weights have an effect"),
        (1, {"old": 2, "new": 2}, "only ratios of weights have an effect"),
        (1, {"old": -1}, "from 0 to 1000"),
        (1, {"old": "1001"}, "from 0 to 1000"),
        (1, {"old": "much"}, "not a number"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(
    stage: int, weights: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        resolved(changed(stage, loss_weight=weights))


def test_they_can_be_swept() -> None:
    found = variants(sweep={"new.loss_weight.old": [0.5, 1, 2], "new.replay": ["25%"]})
    weights = [v.recipe.stages[1].loss_weight.get("old") for v in found.values()]
    assert weights == [0.5, 1, 2]
    assert next(iter(found)) == "old 0.5, replay 25%"


def test_baselines_of_all_data_have_none() -> None:
    data = changed(1, loss_weight={"old": 0.5}) | {"baselines": ["union", "scratch", "previous"]}
    made = variants(**{k: v for k, v in data.items() if k != "sweep"})
    for variant in made.values():
        if variant.kind in ("union", "scratch"):
            assert all(not stage.loss_weight for stage in variant.recipe.stages)


def test_they_are_written_as_they_are_read() -> None:
    recipe = parse_recipe(changed(1, loss_weight={"old": "5%"}), "here")
    again = Stage.model_validate(recipe.stages[1].model_dump(mode="json"))
    assert again.loss_weight == recipe.stages[1].loss_weight
