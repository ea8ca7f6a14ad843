"""Merges that a recipe asks for: what they are of, what they are called, what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.plan.merge_method import MergeMethod, merged_name
from raycl.plan.training import ModelSpec
from raycl.recipe import parse_recipe
from raycl.recipe.checks import check_fields
from raycl.recipe.definition import trainings
from raycl.recipe.merges import PlannedMerge, planned_merges
from tests.helpers.recipe_data import defined, facts, recipe_data

STATE = "000000005-" + "a" * 40
FACTS = facts({"old": 10_000, "new": 10_000})


def merges(merge: Any, pretrained: str | None = None, **changes: Any) -> list[PlannedMerge]:
    definition = defined(merge=merge, **changes)
    made = trainings(definition, FACTS)
    if pretrained:  # as if the model were a checkpoint of the storage
        for training in made.values():
            object.__setattr__(training, "model", ModelSpec({}, pretrained))
    return list(planned_merges(definition.recipe, definition.variants, made))


def test_each_recipe_has_a_row_for_each_weight_and_baselines_have_none() -> None:
    found = merges(
        {"with": "start", "weights": ["25%", "50%"]},
        "f" * 64,
        sweep={"new.replay": ["0%", "5%"]},
        baselines=["union", "scratch", "previous"],
    )
    assert [merge.label for merge in found] == [
        "replay 0%, merged 25% with start",
        "replay 0%, merged 50% with start",
        "replay 5%, merged 25% with start",
        "replay 5%, merged 50% with start",
    ]
    assert {merge.base for merge in found} == {f"starts/{'f' * 64}"}
    assert found[0].method == MergeMethod("linear", Fraction(1, 4))
    assert found[0].name == merged_name(found[0].method, found[0].base, [found[0].state])
    assert len({merge.name for merge in found}) == 4
    fields = {"merge.with": "start", "merge.method": "linear", "merge.weight": 0.25}
    assert found[0].fields == fields
    assert found[0].needs == (found[0].state,)


def test_a_stage_and_a_state_are_partners() -> None:
    definition = defined()
    chain = trainings(definition, FACTS)["small"].chain
    ties = {"with": STATE, "method": "ties", "densities": ["10%", "20%"], "scale": 0.9}
    by_stage, *by_state = merges([{"with": "old", "method": "task-arithmetic"}, ties])
    assert by_stage.label == "small, task-arithmetic 100% with old"
    assert (by_stage.base, by_stage.state) == (chain.name(20), chain.name(40))
    assert by_stage.needs == (chain.name(20), chain.name(40))
    assert [merge.label for merge in by_state] == [
        "small, ties 10% at 0.9 with 000000005-aaaaaaaa",
        "small, ties 20% at 0.9 with 000000005-aaaaaaaa",
    ]
    assert by_state[0].method == MergeMethod("ties", Fraction(9, 10), Fraction(1, 10))


def test_branches_that_leave_the_last_stage_are_merged_and_others_are_not() -> None:
    data = recipe_data()["stages"]
    schedule = {"kind": "constant", "max_lr": "1e-3"}
    anneal = {"at": ["100%"], "length": "5 steps", "min_lr": "1e-4"}
    stages = [{**stage, "schedule": schedule, "anneal": anneal} for stage in data]
    found = merges({"with": "old"}, stages=stages)
    assert [merge.recipe for merge in found] == ["small", "small, anneal new at 100%"]


def test_it_changes_no_state_of_the_training() -> None:
    with_merges = trainings(defined(merge={"with": "old"}), FACTS)["small"].chain
    assert with_merges.name(40) == trainings(defined(), FACTS)["small"].chain.name(40)


def test_it_is_read_again_as_it_was_written() -> None:
    """`--scale` reads a recipe's own values again."""
    merge = [{"with": "old", "weights": ["50%"]}, {"with": "old", "method": "ties"}]
    written = parse_recipe(recipe_data(merge=merge), "my.yaml")
    assert parse_recipe(written.model_dump(), "my.yaml") == written


@pytest.mark.parametrize(
    ("merge", "message"),
    [
        ({"with": "new"}, "a recipe ends with this stage, and it is what is merged. Give old"),
        ({"with": "start"}, "begins from random weights, which know nothing. Give old"),
        ({"with": "ols"}, "merge.with: 'ols': no stage and no state. Give start, old, or"),
        ([{"with": "old"}, {"with": "old"}], "two rows are called 'small, merged 50% with old'"),
        ({"with": "old", "weights": ["150%"]}, "no share of the trained weights. Give 0% to 100%"),
        ({"with": "old", "weights": ["5%", 0.05]}, "a number is given twice"),
        ({"with": "old", "method": "ties", "weights": [1]}, "ties has no weights"),
        ({"with": "old", "method": "ties", "densities": [0]}, "a density of 0 leaves nothing"),
        ({"with": "old", "densities": ["5%"]}, "linear has no densities and no scale"),
        ({"with": "old", "method": "task-arithmetic", "weights": [1e299]}, "beyond 1000. Give"),
        ({"with": "old", "method": "ties", "scale": -2000}, "weight -2000: beyond 1000"),
        ({"with": "old", "method": "slerp"}, "merge.0.method is 'slerp'"),
        ({"wiht": "old"}, "merge.0.wiht: unknown field, and with is missing"),
        ({"with": "old", "weight": ["5%"]}, "Did you mean 'weights'"),
        ({"with": "old", "wiht": "x"}, "Did you mean 'with'"),
    ],
    ids=str,
)
def test_what_is_refused(merge: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        merges(merge)
    assert message in str(caught.value)


def test_a_stage_that_has_the_word_for_the_first_model_as_its_name() -> None:
    first, last = recipe_data()["stages"]
    stages = [{**first, "name": "start", "mixture": {"old": 1}}, last]
    with pytest.raises(InputError, match=r"a stage has this name.*Give the stage another name"):
        merges({"with": "start"}, stages=stages)


def test_it_cannot_be_swept() -> None:
    recipe = defined(sweep={"merge": [[], [{"with": "old"}]]}).recipe
    with pytest.raises(InputError, match="every recipe is merged in the same ways"):
        check_fields(recipe, "my.yaml")
