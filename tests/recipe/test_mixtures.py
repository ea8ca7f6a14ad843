"""Mixtures that change inside a stage, as recipes write them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.plan.changing import Change
from raycl.recipe import expand, parse_recipe, resolve
from raycl.recipe.mixtures import mean_shares
from raycl.recipe.scale_values import scaled_field
from raycl.recipe.schema import ChangingMixture
from tests.helpers.recipe_data import SCHEDULE, WHERE, changed, facts, recipe_data, resolved
from tests.recipe.test_scale import FACTORS

TO_NEW = {"from": {"old": "90%", "new": "10%"}, "to": {"old": "20%", "new": "80%"}}


def chain_of(**fields: Any) -> Chain:
    """Two stages, the second with a changing mixture."""
    return resolved(changed(1, **{"mixture": TO_NEW, "replay": None, **fields})).chain


def new_rows(chain: Chain) -> list[int]:
    return [chain.row_counts(step).get("new", 0) for step in range(20, chain.steps)]


def test_a_mixture_changes_linearly_over_its_stage() -> None:
    chain = chain_of(steps=100, replay=None)
    assert chain.stages[1].mixture.change == Change("linear", (0, 100))
    counts = new_rows(chain)
    assert sum(counts) == round(800 * 0.45)  # the mean of 10 % and 80 %
    assert sum(counts[:10]) < sum(counts[45:55]) < sum(counts[-10:])
    assert abs(sum(counts[:10]) - 80 * 0.135) < 1


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"at": ["10%", "50%"]}, Change("linear", (2, 10))),
        ({"at": ["4 steps", "1280 tokens"]}, Change("linear", (4, 10))),
        ({"how": "stepped", "at": "50%"}, Change("stepped", (10,))),
        ({"how": "stepped", "at": ["25%", "50%", "75%"]}, Change("stepped", (5, 10, 15))),
    ],
)
def test_places_are_lengths_of_the_stage(fields: dict[str, Any], change: Change) -> None:
    assert chain_of(mixture=TO_NEW | fields).stages[1].mixture.change == change


def test_a_step_is_all_of_the_second_mixture_from_its_place_on() -> None:
    only = {"from": {"old": 1}, "to": {"new": 1}, "how": "stepped", "at": "50%"}
    assert new_rows(chain_of(mixture=only)) == [0] * 10 + [8] * 10


def test_weights_may_be_tokens_and_corpora_may_be_called_from_and_to() -> None:
    tokens = {"from": {"old": 900, "new": 100}, "to": {"old": 200, "new": 800}}
    assert chain_of(mixture=tokens).name(40) == chain_of().name(40)
    data = changed(1, mixture={"from": "50%", "to": "50%"})
    data["corpora"] |= {"from": {"text": "a.txt"}, "to": {"text": "b.txt"}}
    sources = resolved(data).chain.stages[1].mixture.sources
    assert [source.corpus for source in sources] == ["from", "to", "old"]


def test_replay_keeps_its_share_beside_a_change() -> None:
    """A quarter of 8 rows; what both mixtures have of old data are new rows of it."""
    sources = chain_of(replay="25%").stages[1].mixture.sources
    assert [(source.corpus, source.replay) for source in sources][-1] == ("old", True)
    mixture = chain_of(replay="25%").stages[1].mixture
    assert set(np.diff(mixture.supplied(np.arange(21)))[-1].tolist()) == {2}


def test_later_replay_is_split_by_what_the_change_has_read() -> None:
    data = changed(1, mixture=TO_NEW, replay=None)
    third = {"name": "third", "mixture": {"new": 1}, "steps": 20, "replay": "50%"}
    data["stages"].append({**third, "schedule": SCHEDULE})
    replays = {s.corpus: s.weight for s in resolved(data).chain.stages[2].mixture.sources[1:]}
    # 20 steps of old, and 20 whose mean is 45 % new
    assert replays == {"old": Fraction(31, 40), "new": Fraction(9, 40)}


def test_what_is_trained_decides_the_name_and_nothing_else() -> None:
    constant = {"kind": "constant", "max_lr": 1e-3}
    fixed = chain_of(mixture={"old": "90%", "new": "10%"}, schedule=constant)
    stepped = chain_of(
        mixture=TO_NEW | {"how": "stepped", "at": "12 steps"}, schedule=constant, steps=30
    )
    assert stepped.divergence(fixed) == 32
    percent = chain_of(
        mixture=TO_NEW | {"how": "stepped", "at": "40%"}, schedule=constant, steps=30
    )
    assert percent.name(50) == stepped.name(50)


def test_places_in_steps_or_tokens_leave_a_stage_to_be_made_longer() -> None:
    constant = {"kind": "constant", "max_lr": 1e-3}
    for at, shared in ((["2 steps", "15 steps"], 40), (["10%", "75%"], 22)):
        one, two = (
            chain_of(mixture=TO_NEW | {"at": at}, schedule=constant, steps=n) for n in (20, 60)
        )
        assert shared <= one.divergence(two) < shared + 3


def test_a_part_of_a_stage_and_its_branches_have_the_whole_stages_places() -> None:
    whole = chain_of(steps=100)
    assert chain_of(steps=100, stop_after="50%").divergence(whole) == 70
    data = changed(
        1,
        mixture=TO_NEW,
        replay=None,
        schedule={"kind": "constant", "max_lr": 1e-3},
        anneal={"at": ["50%"], "length": "5 steps", "min_lr": 1e-4},
    )
    trunk, branch = expand(data, WHERE)
    known = facts({"old": 999, "new": 999})
    chains = [resolve(v.recipe, known, WHERE, v.branch).chain for v in (trunk, branch)]
    assert chains[0].divergence(chains[1]) == 31  # an anneal begins at the trunk's rate


def test_the_union_has_the_mean_and_scratch_the_same_change() -> None:
    data = changed(1, mixture=TO_NEW | {"at": ["0%", "50%"]}, replay=None)
    _, union, scratch = expand(data | {"baselines": ["union", "scratch"]}, WHERE)
    recipe = parse_recipe(data, WHERE)
    assert mean_shares(recipe, recipe.stages[1], 20) == {
        "old": Fraction(3, 8),
        "new": Fraction(5, 8),
    }
    assert union.recipe.stages[0].mixture == {"old": Fraction(11, 16), "new": Fraction(5, 16)}
    known = facts({"old": 999, "new": 999})
    (stage,) = resolve(scratch.recipe, known, WHERE).chain.stages
    assert stage.mixture.change == Change("linear", (0, 10))


def test_a_change_can_be_swept() -> None:
    data = changed(1, mixture=TO_NEW, replay=None)
    sweep = {"new.mixture": [TO_NEW, {"old": "50%", "new": "50%"}], "new.replay": ["0%", "25%"]}
    labels = [variant.label for variant in expand(data | {"sweep": sweep}, WHERE)]
    assert labels[0] == "mixture from old 90% new 10% to old 20% new 80%, replay 0%"
    assert labels[3] == "mixture old 50% new 50%, replay 25%"
    places = {"new.mixture.at": [["0%", "50%"], ["50%", "100%"]]}
    made = expand(data | {"sweep": places}, WHERE)
    mixtures = [v.recipe.stages[1].mixture for v in made]
    assert [m.at[1].value for m in mixtures if isinstance(m, ChangingMixture)] == [
        Fraction(1, 2),
        1,
    ]


def test_a_recipe_is_read_back_as_it_was_dumped() -> None:
    data = changed(1, mixture=TO_NEW | {"at": ["1 steps", "50%"]}, max_epochs={"new": 4})
    recipe = parse_recipe(data, WHERE)
    assert parse_recipe(recipe.model_dump(), WHERE) == recipe
    assert hash(parse_recipe(recipe.model_dump(), WHERE).stages[1]) == hash(recipe.stages[1])


def test_a_scale_changes_corpora_and_lengths_of_both_mixtures() -> None:
    value = {"from": {"a": 1}, "to": {"b": "50%", "c": "50%"}, "at": ["100 steps", "50%"]}
    small = scaled_field("mixture", value, FACTORS)
    assert small["from"] == scaled_field("mixture", {"a": 1}, FACTORS)
    assert small["to"] == scaled_field("mixture", {"b": "50%", "c": "50%"}, FACTORS)
    assert small["at"] == scaled_field("at", ["100 steps", "50%"], FACTORS)


ENDS = {"from": {"old": 1}, "to": {"new": 1}}


@pytest.mark.parametrize(
    ("mixture", "words"),
    [
        ({"from": {"old": "90%"}, "to": {"new": 1}}, r"mixture\.from: the shares do not reach 1"),
        ({"from": {"old": 1}, "to": {"new": 1, "old": "10%"}}, r"mixture\.to: the shares exceed 1"),
        ({"from": {"old": 1}}, r"mixture\.to: missing"),
        ({"from": {"old": 1}, "to": {"neu": 1}}, "no corpus 'neu'"),
        ({"from": {"old": "9x"}, "to": {"new": 1}}, r"mixture\.from\.old is '9x'"),
        (ENDS | {"by": "10%"}, r"mixture\.by: unknown field.*at, from, how, to"),
        (ENDS | {"how": "cosine"}, r"mixture\.how is 'cosine'"),
        (ENDS | {"how": "stepped"}, "Give at"),
        (ENDS | {"at": "50%"}, "a beginning and an end"),
        (ENDS | {"at": ["50%", "10%"]}, r"steps 10, 2 do not rise"),
        (ENDS | {"how": "stepped", "at": "100%"}, "step 20 of a stage of 20"),
        (ENDS | {"how": "stepped", "at": ["3 steps", "3 steps"]}, "do not rise"),
    ],
)
def test_changes_that_cannot_be(mixture: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        chain_of(mixture=mixture)


def test_a_corpus_without_a_row_in_the_stage_is_refused_with_its_mean_share() -> None:
    mixture = {"from": {"old": 1}, "to": {"new": "1e-6", "old": "0.999999"}}
    with pytest.raises(InputError, match=r"mixture\.new 5e-07: too small to give one row"):
        chain_of(mixture=mixture)


def test_the_schema_knows_both_forms() -> None:
    from raycl.recipe import Recipe

    text = str(Recipe.model_json_schema()["$defs"]["Stage"]["properties"]["mixture"])
    assert "ChangingMixture" in text
    assert "additionalProperties" in text
    assert recipe_data()["stages"]  # a recipe without a mixture stays one
