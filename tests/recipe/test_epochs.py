"""How often stages may read a corpus, what is told of it, and states of the order before."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.plan.epochs import rows_at
from raycl.plan.tree import build_tree
from raycl.recipe import expand, parse_recipe, resolve
from raycl.recipe.epochs import Repetition, repetition_text, repetitions
from raycl.recipe.extend import extended
from raycl.recipe.one_order import in_one_order, read_in_one_order
from tests.helpers.recipe_data import SCHEDULE, WHERE, changed, facts, recipe_data, resolved


def three_stages(**first: Any) -> dict[str, Any]:
    """`old` and `new` repeat in their stages, and again in a third one that reads both."""
    data = changed(0, at_end="repeat", **first)
    data["stages"][1]["at_end"] = "repeat"
    third = {"mixture": {"old": "50%", "new": "50%"}, "replay": "25%", "at_end": "repeat"}
    data["stages"].append({"name": "third", "steps": 30, "schedule": SCHEDULE, **third})
    return data


def chain_of(data: dict[str, Any], old: int = 100, new: int | None = None) -> Chain:
    new = new or (90 if len(data["stages"]) > 2 else 999)
    return resolve(parse_recipe(data, WHERE), facts({"old": old, "new": new}), WHERE).chain


def rows_of(chain: Chain, corpus: str, start: int, stop: int) -> list[int]:
    runs = [run for step in range(start, stop) for run in chain.rows(step) if run.corpus == corpus]
    return [row for run in runs for row in range(run.first, run.first + run.count)]


def test_a_later_stage_goes_on_in_the_epoch_in_which_the_one_before_it_stopped() -> None:
    data = changed(0, at_end="repeat")
    data["stages"][1] = data["stages"][0] | {"name": "again", "mixture": {"old": 1}}
    chain = chain_of(data)
    assert rows_of(chain, "old", 0, 40) == rows_at(0, 320, 100, 0).tolist()
    assert rows_of(chain, "old", 20, 25) != list(range(60, 100))


def test_replay_reads_in_the_order_of_the_first_epoch_over_and_over() -> None:
    chain = chain_of(changed(1, replay="75%") | {"global_batch": 8}, old=160, new=999)
    assert rows_of(chain, "old", 20, 40) == list(range(120))
    again = chain_of(changed(1, replay="75%", steps=50), old=160, new=999)
    assert rows_of(again, "old", 20, 70) == [*range(160), *range(140)]


def test_the_seed_of_a_corpus_orders_its_later_epochs_alone() -> None:
    recipe = parse_recipe(three_stages(), WHERE)
    known = facts({"old": 100, "new": 90})
    known["old"] = known["old"].__class__(**{**vars(known["old"]), "seed": 3})
    one, two = chain_of(three_stages()), resolve(recipe, known, WHERE).chain
    assert one.divergence(two) == 12  # step 12 reads the rows 96 to 99, and then again
    assert rows_of(two, "old", 0, 20) == rows_at(0, 160, 100, 3).tolist()


def test_a_stage_that_is_made_longer_has_the_same_beginning() -> None:
    schedule = {"kind": "constant", "max_lr": 1e-3}
    short, long = (
        chain_of(changed(0, at_end="repeat", steps=n, schedule=schedule)) for n in (30, 60)
    )
    assert short.divergence(long) == 30
    assert rows_of(long, "old", 0, 30) == rows_of(short, "old", 0, 30)


def allowed(**fields: Any) -> int:
    """Steps of the stage `old` of 60 steps of 8 rows, of a corpus of 100 rows."""
    return chain_of(changed(0, **{"steps": 60, **fields})).stages[0].steps


def test_stop_ends_a_stage_after_as_many_epochs() -> None:
    assert allowed(at_end="stop") == 12
    assert allowed(at_end="stop", max_epochs=4) == 50
    assert allowed(at_end="stop", max_epochs="2.5") == 31
    assert allowed(at_end="stop", max_epochs={"old": 3}) == 37
    assert allowed(at_end="stop", max_epochs=100) == 60


@pytest.mark.parametrize("at_end", ["error", "repeat"])
def test_more_epochs_than_the_most_are_refused_with_the_numbers(at_end: str) -> None:
    assert allowed(at_end=at_end, max_epochs="4.8") == 60
    with pytest.raises(InputError) as error:
        allowed(at_end=at_end, max_epochs=4)
    for part in ("stages.old.max_epochs", "4.8 times", "more than 4", "100 rows", "50 steps"):
        assert part in str(error.value)
    assert "at_end: stop" in error.value.remedy


def test_epochs_count_over_all_stages() -> None:
    data = three_stages()
    data["stages"][2]["max_epochs"] = {"old": 2}
    with pytest.raises(InputError, match=r"'old' 2\.5 times up to the end of the stage"):
        chain_of(data)  # 160 rows in the first stage, 90 in the third
    data["stages"][2]["max_epochs"] = {"old": "2.5"}
    assert chain_of(data).stages[2].steps == 30


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "above 0"),
        ("many", "not a number"),
        ({}, "above 0"),
        ({"old": -1}, "above 0"),
        ({"new": 4}, "Its new data: old"),
    ],
)
def test_epochs_that_are_none(value: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        allowed(max_epochs=value)


def test_max_epochs_are_in_no_name_and_can_be_swept() -> None:
    plain = chain_of(changed(0, at_end="repeat"))
    for most in (4, {"old": 4}):
        assert chain_of(changed(0, at_end="repeat", max_epochs=most)).name(40) == plain.name(40)
    data = changed(0, at_end="stop", steps=90) | {"sweep": {"old.max_epochs": [1, 2, 4]}}
    made = expand(data, WHERE)
    assert [variant.label for variant in made] == ["max_epochs 1", "max_epochs 2", "max_epochs 4"]
    assert [variant.fields["old.max_epochs"] for variant in made] == [1, 2, 4]
    known = facts({"old": 100, "new": 999})
    steps = [resolve(v.recipe, known, WHERE).chain.stages[0].steps for v in made]
    assert steps == [12, 25, 50]


def test_a_baseline_has_no_limit_of_epochs() -> None:
    data = changed(1, max_epochs=2, steps=24) | {"baselines": ["union", "scratch"]}
    _, union, scratch = expand(data, WHERE)
    for variant in (union, scratch):
        assert variant.recipe.stages[0].max_epochs is None
        assert variant.recipe.stages[0].at_end == "repeat"
        resolve(variant.recipe, facts({"old": 160, "new": 80}), WHERE)


def test_a_next_stage_inherits_a_number_and_no_names() -> None:
    for most, expected in ((4, 4), ({"new": 4}, None)):
        before = changed(1, at_end="stop", max_epochs=most)
        third = {"name": "third", "mixture": {"old": 1}}
        made = extended(before, {"name": "more", "stages": [third]}, WHERE)
        assert made["stages"][-1].get("max_epochs") == expected


def test_what_is_read_more_than_once_is_told_by_stage_and_corpus() -> None:
    chains = [chain_of(three_stages()), chain_of(three_stages(steps=30))]
    assert repetitions([chain_of(recipe_data(), 999, 999)]) == []
    assert repetition_text([]) == ""
    found = {(r.stage, r.corpus, r.replay): (r.fewest, r.most) for r in repetitions(chains)}
    assert found["old", "old", False] == (Fraction(160, 100), Fraction(240, 100))
    assert found["new", "new", False] == (Fraction(120, 90), Fraction(120, 90))
    assert found["third", "old", False] == (Fraction(250, 100), Fraction(330, 100))
    text = repetition_text(repetitions(chains))
    assert "old 1.6 to 2.4 times by the end of stage old" in text
    assert "new 1.33 times by the end of stage new" in text
    assert "Muennighoff" in text


def test_replay_that_begins_again_is_told_as_such() -> None:
    found = repetitions([chain_of(changed(1, replay="75%", steps=50), 160, 999)])
    assert found == [Repetition("new", "old", True, Fraction(300, 160), Fraction(300, 160))]
    assert "replay of old 1.88 times" in repetition_text(found)
    assert found[0].as_data["most"] == 1.875


def test_names_of_earlier_versions_where_a_corpus_repeats() -> None:
    """They are those that these versions computed, and no name of today."""
    chain = chain_of(three_stages())
    earlier = in_one_order(chain)
    names = [earlier.name(step) for step in range(chain.steps + 1)]
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
    assert digest == "e1b0783fb21193a0728d1403681c930832bb677b1096b8bacae3b6b6f02b10ca"
    assert chain.divergence(earlier) == 12
    assert not set(names[13:]) & {chain.name(step) for step in range(chain.steps + 1)}
    plain = resolved(recipe_data()).chain
    assert in_one_order(plain).name(plain.steps) == plain.name(plain.steps)


def test_states_of_the_order_before_are_told() -> None:
    training = resolve(parse_recipe(three_stages(), WHERE), facts({"old": 100, "new": 90}), WHERE)
    tree, chain = build_tree({"a": training}), training.chain
    earlier = in_one_order(chain)
    old = {earlier.name(step) for step in (5, 12, 20, 70)}
    text = read_in_one_order(old, tree)
    assert text is not None
    assert "2 states" in text  # those after 5 and 12 steps are found as they were
    assert "from step 12 on" in text
    assert read_in_one_order({chain.name(5), chain.name(20)}, tree) is None
    assert read_in_one_order(old | {chain.name(70)}, tree) is None
    assert read_in_one_order(old, build_tree({"a": resolved(recipe_data())})) is None
