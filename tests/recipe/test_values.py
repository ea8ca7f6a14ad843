"""Recipes and their parts are values: equal ones have equal hashes, and none can change."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.frozen import FrozenDict, frozen, thawed
from raycl.recipe import expand, parse_recipe
from tests.helpers.recipe_data import WHERE, recipe_data

DATA = recipe_data(
    model={"config": {"model_type": "llama", "rope_parameters": {"factors": [1, 2]}}},
    sweep={"new.mixture": [{"old": "50%", "new": "50%"}], "seed": [1, [2]]},
    baselines=["union"],
)
DATA["stages"][1] |= {"mixture": {"new": 1}, "replay": {"old": "25%"}}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_a_recipe_and_all_its_parts_can_be_keys() -> None:
    one, two = (parse_recipe(copy.deepcopy(DATA), WHERE) for _ in "ab")
    assert one == two
    assert one is not two
    assert {one: 1}[two] == 1
    for part in (one.model, one.tokenizer, one.corpora, one.optimizer, *one.stages):
        assert isinstance(hash(part), int)
    assert [hash(stage) for stage in one.stages] == [hash(stage) for stage in two.stages]
    other = parse_recipe({**DATA, "seed": 9}, WHERE)
    assert other not in {one}


def test_recipes_with_one_content_appear_once() -> None:
    written = [{"seed": [7]}, {"label": "again", "seed": ["7", 8]}]
    assert [v.label for v in expand(recipe_data(sweep=written), WHERE)] == [
        "seed 7",
        "again, seed 8",
    ]


@pytest.mark.parametrize("value", [True, 1.5, "x"])
def test_a_value_that_is_valid_does_not_stand_for_one_that_equals_it(value: object) -> None:
    """1 == True in Python, and yet only 1 is a number of steps."""
    with pytest.raises(Exception, match=r"stages\.1\.steps"):
        expand(recipe_data(sweep={"new.steps": [1, value]}), WHERE)


def test_a_frozen_dictionary_refuses_every_change() -> None:
    value: FrozenDict[str, int] = FrozenDict(a=1)
    changes: list[Callable[[], object]] = [
        lambda: value.update(b=2),
        lambda: value.pop("a"),
        lambda: value.popitem(),
        lambda: value.clear(),
        lambda: value.setdefault("b", 2),
        lambda: value.__setitem__("a", 2),
        lambda: value.__delitem__("a"),
        lambda: value.__ior__({"b": 2}),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="cannot change"):
            change()
    assert value == {"a": 1}


@settings(max_examples=40, deadline=None)
@given(PLAIN)
def test_freezing_keeps_the_content(value: object) -> None:
    cold = frozen(value)
    assert thawed(cold) == value
    assert hash(cold) == hash(frozen(copy.deepcopy(value)))
    assert json.dumps(cold) == json.dumps(value)
    assert pickle.loads(pickle.dumps(cold)) == copy.deepcopy(cold) == cold
