"""Fields that change inside a stage: names, rows and rates of the parts before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.cli.plan_view import step_lines
from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.recipe import expand, parse_recipe, resolve
from raycl.recipe.epochs import repetitions
from raycl.recipe.search import label_of
from raycl.recipe.variants import Branch
from raycl.units import parse_length
from tests.helpers.recipe_data import changed, facts, recipe_data

FACTS = facts({"old": 300, "new": 600})
REPLAYS = st.sampled_from(["0%", "12.5%", "25%", "33.3%", "60%"])
PLACES = st.integers(1, 19)


def chain(*changes: Any, **fields: Any) -> Chain:
    """The chain of the small recipe, whose second stage has these changes and fields."""
    return resolved(changed(1, changes=list(changes), **fields))


def resolved(data: dict[str, Any], known: Any = FACTS, at: str = "") -> Chain:
    branch = Branch("new", parse_length(at)) if at else None
    return resolve(parse_recipe(data, "my.yaml"), known, "my.yaml", branch).chain


def new_part(place: int, **fields: Any) -> dict[str, Any]:
    return {"from": f"{place} steps", **fields}


@given(PLACES, REPLAYS, st.sampled_from(["reset", "carry"]))
def test_a_change_to_the_same_values_changes_no_name(
    place: int, replay: str, optimizer: str
) -> None:
    fields = {"replay": replay, "optimizer": optimizer}
    trunk, same = chain(**fields), chain(new_part(place, replay=replay), **fields)
    assert [same.name(step) for step in range(41)] == [trunk.name(step) for step in range(41)]


def test_a_change_to_the_same_values_changes_no_later_stage() -> None:
    data = changed(1, replay="40%")
    data["corpora"]["next"] = {"text": "next.jsonl"}
    data["stages"].append({**data["stages"][1], "name": "next", "replay": "30%"})
    known = facts({"old": 300, "new": 600, "next": 600})
    trunk = resolved(data, known)
    data["stages"][1]["changes"] = [new_part(7, replay="40%"), new_part(9, max_epochs=1)]
    assert resolved(data, known).name(60) == trunk.name(60)


@given(PLACES, REPLAYS, REPLAYS)
def test_names_agree_up_to_the_change_and_rows_go_on(place: int, before: str, after: str) -> None:
    trunk, branch = chain(replay=before), chain(new_part(place, replay=after), replay=before)
    assert branch.name(20 + place) == trunk.name(20 + place)
    assert branch.name(20 + place // 2) == trunk.name(20 + place // 2)
    assert _read(branch, "new", 20, 40) == list(range(len(_read(branch, "new", 20, 40))))
    seen = len(_read(branch, "old", 0, 20))
    replayed = _read(branch, "old", 20, 40)
    assert replayed == [row % seen for row in range(len(replayed))]
    assert all(sum(branch.row_counts(step).values()) == 8 for step in range(40))


@given(PLACES)
def test_rates_after_a_change_are_those_of_a_stage_that_had_it_from_the_first_step(
    place: int,
) -> None:
    schedule = {"kind": "cosine", "max_lr": "3e-3", "min_lr": "10%", "warmup": "5%"}
    trunk, whole = chain(), chain(schedule={**schedule, "max_lr": "1e-3"})
    branch = chain(new_part(place, schedule={"max_lr": "1e-3"}))
    rates, left = branch.learning_rates(0, 40), 20 + place
    np.testing.assert_array_equal(rates[:left], trunk.learning_rates(0, left))
    np.testing.assert_array_equal(rates[left:], whole.learning_rates(left, 40))
    assert branch.name(left) == trunk.name(left)
    assert branch.name(left + 1) != trunk.name(left + 1)


def test_parent_in_a_change_is_the_rate_just_before_it() -> None:
    trunk, branch = chain(), chain(new_part(8, schedule="continue"))
    assert set(branch.learning_rates(28, 40)) == {trunk.learning_rates(28, 29)[0]}


def test_several_changes_follow_each_other() -> None:
    one = new_part(5, replay="50%")
    branch, last = chain(one), chain(one, new_part(12, replay="0%", steps=30))
    assert last.name(32) == branch.name(32)
    assert last.steps == 50
    assert last.row_counts(33) == {"new": 8}
    assert not any(last.resets_optimizer(step) for step in (25, 32))


def test_a_stage_may_become_shorter_and_longer() -> None:
    trunk = chain()
    assert chain(new_part(10, steps=15)).steps == 35
    longer = chain(new_part(20, steps=25))
    assert longer.steps == 45
    assert longer.name(40) == trunk.name(40)
    assert chain(new_part(20, tokens=25 * 8 * 16)).name(45) == longer.name(45)


def test_an_anneal_leaves_the_changed_stage() -> None:
    data = changed(1, changes=[new_part(10, replay="50%")])
    data["stages"][1]["anneal"] = {"at": "80%", "length": "4 steps", "min_lr": "1%"}
    trunk = resolved(data)
    annealed = resolved(data, at="80%")
    assert annealed.steps == 40
    assert annealed.name(36) == trunk.name(36)
    assert annealed.learning_rates(39, 40)[0] < trunk.learning_rates(39, 40)[0]
    data["stages"][1]["anneal"]["at"] = "30%"
    with pytest.raises(InputError, match="an anneal leaves the stage in step 6, before its change"):
        resolved(data, at="30%")


def test_a_mixture_that_changes_goes_on_after_a_change() -> None:
    mixture = {"from": {"new": 1}, "to": {"old": "50%", "new": "50%"}}
    trunk = chain(mixture=mixture, replay="0%")
    same = chain(new_part(11, mixture=mixture), mixture=mixture, replay="0%")
    assert same.name(40) == trunk.name(40)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([new_part(0, replay="1%")], "not after its first step"),
        ([new_part(21, replay="1%")], "the stage has 20 steps up to there"),
        ([new_part(20, replay="1%")], "Let it change earlier|make it longer"),
        ([new_part(9, replay="1%"), new_part(9, replay="2%")], "not after the change before it"),
        ([new_part(10, steps=10)], "after which the stage has 10 steps in all"),
        ([new_part(10)], "nothing changes"),
        ([new_part(10, steps=10, tokens=3)], "either `steps` or `tokens`"),
        ([new_part(10, trains="head")], "unknown field"),
        ([new_part(10, schedule={"min_lr": 1})], "min_lr .* is outside"),
        ([new_part(10, mixture={"else": 1})], "no corpus 'else'"),
        ([new_part(19, replay="0.1%")], "too small to give one row"),
    ],
)
def test_what_cannot_change_is_refused(changes: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        chain(*changes)


def test_the_label_says_from_where_on_what_changes() -> None:
    written = [new_part(120, replay="10%", schedule={"kind": "linear", "max_lr": "1e-3"})]
    fields = {"german.replay": "5%", "german.changes": written}
    label = "replay 5%, from german 120: replay 10%, schedule linear, max_lr 1e-3"
    assert label_of(fields) == label


def test_the_steps_of_all_parts_are_shown() -> None:
    branch = chain(new_part(7, replay="50%"))
    lines = step_lines(branch, "new", 0, None)
    assert [line["step"] for line in lines] == list(range(20))
    assert [line["learning_rate"] for line in lines] == branch.learning_rates(20, 40).tolist()
    assert lines == step_lines(branch, "new", 0, 7) + step_lines(branch, "new", 7, None)


def test_a_stage_with_parts_reads_a_corpus_as_often_as_without() -> None:
    known = facts({"old": 300, "new": 60})
    fields = {"at_end": "repeat", "replay": "10%"}
    whole = resolved(changed(1, **fields), known)
    parts = resolved(changed(1, changes=[new_part(15, replay="10%")], **fields), known)
    assert repetitions([whole]) == repetitions([parts]) != []


def test_baselines_of_changing_stages_are_refused() -> None:
    data = recipe_data(baselines=["union"])
    data["stages"][0]["changes"] = [new_part(3, steps=30)]
    with pytest.raises(InputError, match="made of the stage old, whose fields change"):
        expand(data, "my.yaml")


def _read(chain: Chain, corpus: str, start: int, stop: int) -> list[int]:
    """The rows of a corpus in the order in which steps read them."""
    return [
        row
        for step in range(start, stop)
        for run in chain.rows(step)
        if run.corpus == corpus
        for row in range(run.first, run.first + run.count)
    ]
