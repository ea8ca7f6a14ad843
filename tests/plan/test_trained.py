"""What a stage trains: how it is written, what it is called, which weights it names."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from raycl.errors import InputError
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.mixture import Mixture, Source
from raycl.plan.schedule import Constant
from raycl.plan.stage import step_words
from raycl.plan.trained import ALL, Trains
from raycl.plan.trained_names import trained_names
from raycl.plan.training import alike
from raycl.recipe import parse_recipe
from raycl.recipe.definition import trainings
from raycl.recipe.search import label_of
from tests.helpers.recipe_data import changed, defined, facts, resolved, variants
from tests.helpers.training_runs import make_task

LORA = {"lora": {"rank": 8}}
NAMES = {
    n: n for n in ("embed.weight", *(f"layers.{i}.q.weight" for i in range(12)), "norm.weight")
}
NAMES["head.weight"] = "embed.weight"
MIXTURE = Mixture((Source("new", Fraction(1), limit=200, at_end="repeat"),), 4, Fraction(0))


def of(value: Any) -> Trains:
    return Trains.model_validate(value)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("all", "all"),
        ({}, "all"),
        ("embeddings", "embeddings"),
        ({"only": ["*.b", "*.a"]}, "only *.a, *.b"),
        ({"freeze": "*embed*"}, "freeze *embed*"),
        (LORA, "lora rank 8"),
        ({"lora": {}}, "lora rank 16"),
        ({"lora": {"rank": "8", "alpha": 16}}, "lora rank 8"),
        ({"lora": {"rank": 8, "alpha": 4}}, "lora rank 8 alpha 4"),
        ({"lora": {"rank": 8, "targets": ["v", "q"]}}, "lora rank 8 of q, v"),
        ({"lora": {"targets": "all-linear"}}, "lora rank 16"),
    ],
)
def test_it_is_told_as_it_is_written(written: Any, text: str) -> None:
    assert of(written).text == text


def test_alpha_over_rank_is_the_scale() -> None:
    scales = [of({"lora": fields}).lora.scale for fields in ({"rank": 4}, {"rank": 4, "alpha": 6})]  # type: ignore[union-attr]
    assert scales == [2.0, 1.5]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("heads", "not what a stage can train. Give all, embeddings"),
        ({"lora": {"dropout": 0.1}}, "dropout is never used in a training. Leave it out"),
        ({"lora": {"rank": 0}}, "lora.rank"),
        ({"lora": {"rnk": 2}}, "Did you mean 'rank'"),
        ({"freeze": []}, "freeze"),
        ({"freeze": ["a"], "only": ["b"]}, "one of only, freeze and lora"),
    ],
)
def test_what_cannot_be_meant_is_refused(written: Any, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_recipe(changed(1, trains=written), "my.yaml")
    assert message in str(refusal.value)
    assert "stages.1.trains" in str(refusal.value)


def test_spellings_of_one_training_share_its_name_and_others_do_not() -> None:
    same = [
        LORA,
        {"lora": {"rank": 8, "alpha": 16}},
        {"lora": {"rank": 8, "targets": "all-linear"}},
    ]
    assert len({of(written).word for written in same}) == 1
    others = ["embeddings", {"freeze": ["a"]}, {"only": ["a"]}, {"lora": {"rank": 4}}, LORA]
    words = [of(written).word for written in others]
    assert len(set(words)) == len(words)
    assert all(0 < word < 2**63 - 1 and word % 2 == 0 for word in words)
    assert of("all").word == of({}).word == 0


def stage(trains: Trains, reset: bool = True) -> ChainStage:
    return ChainStage("one", 20, Constant(max_lr=1e-3), MIXTURE, reset, trains=trains)


def test_every_step_of_the_stage_has_it_in_its_first_word() -> None:
    words = {t.text: step_words(stage(t), 0, 3, 64, {"new": "x"}, True)[0] for t in (ALL, of(LORA))}
    plain, partial = (found.reshape(3, -1) for found in words.values())
    np.testing.assert_array_equal(plain[:, 0], [1, 0, 0])
    np.testing.assert_array_equal(partial[:, 0] - of(LORA).word, [1, 0, 0])
    np.testing.assert_array_equal(plain[:, 1:], partial[:, 1:])


def chain(*trains: Any) -> Chain:
    return Chain({}, [stage(of(t)) for t in trains], {"new": "0" * 16}, 16)


def test_states_part_where_other_weights_are_trained() -> None:
    whole, adapted, again = chain("all", "all"), chain("all", LORA), chain({}, LORA)
    assert whole.divergence(adapted) == 20
    assert adapted.name(40) == again.name(40)
    assert chain(LORA, "all").divergence(whole) == 0
    assert chain(LORA).name(0) == whole.name(0)


def test_a_training_is_parted_where_other_weights_begin() -> None:
    def bounds(*trains: Any, **fields: Any) -> list[tuple[int, int]]:
        task = make_task(stop=8, trains=trains, **fields)
        return [(part.start, part.stop) for part in alike(task)]

    assert bounds("all", "all") == bounds({"only": "a"}, {"only": "a"}) == [(0, 8)]
    assert bounds("all", LORA) == bounds(LORA, "all") == bounds(LORA, LORA) == [(0, 4), (4, 8)]
    assert bounds(LORA, LORA, reset=False) == [(0, 8)]
    task = make_task(stop=8, trains=("all", LORA))
    assert [part.trains.text for part in alike(task)] == ["all", "lora rank 8"]
    assert alike(replace(task, start=5)) == [replace(task, start=5)]


@pytest.mark.parametrize(
    ("written", "trained"),
    [
        ({"only": ["layers.1?.*"]}, {"layers.10.q.weight", "layers.11.q.weight"}),
        (
            {"only": ["layers.[01].*", "norm.*"]},
            {*(f"layers.{i}.q.weight" for i in (0, 1)), "norm.weight"},
        ),
        ("embeddings", {"embed.weight"}),
        ({"freeze": ["layers.*", "norm*"]}, {"embed.weight"}),
        ({"freeze": ["layers.*", "head*"]}, {"norm.weight"}),  # a tied head is the embedding
        ({"freeze": ["embeddings", "layers.*"]}, {"norm.weight"}),
    ],
)
def test_patterns_name_weights(written: Any, trained: set[str]) -> None:
    assert trained_names(of(written), NAMES, ["embed.weight"]) == trained


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"only": ["layer.*"]}, r"only 'layer\.\*': it matches no weight .* layers\.\*\.q\.weight"),
        ({"freeze": ["norm.weight", "norm.bias"]}, r"freeze 'norm.bias': .* norm\.weight"),
        ({"freeze": ["*"]}, "it leaves no weight to train"),
        ({"only": ["*"]}, "it trains every weight. Write trains: all"),
    ],
)
def test_patterns_that_name_nothing_are_refused(written: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trained_names(of(written), NAMES, ["embed.weight"])


def test_moments_are_not_carried_over_to_other_weights() -> None:
    data = changed(1, optimizer="carry", trains=LORA)
    with pytest.raises(InputError, match="the stage trains lora rank 8 and old trains all"):
        resolved(data)
    data["stages"][0]["trains"] = {"lora": {"rank": 8, "alpha": 16}}
    assert not resolved(data).chain.resets_optimizer(20)


def test_it_can_be_swept_and_labels_can_be_read() -> None:
    found = variants(sweep={"new.trains": ["all", "embeddings", LORA, {"freeze": ["a*", "b"]}]})
    assert list(found) == [
        "trains all",
        "trains embeddings",
        "trains lora rank 8",
        "trains freeze a*, b",
    ]
    fields = [variant.fields["new.trains"] for variant in found.values()]
    assert fields == ["all", "embeddings", "lora rank 8", "freeze a*, b"]
    later = variants(sweep={"later.trains": [LORA], "new.trains.lora.rank": [4, 8]})
    assert [v.recipe.stages[1].trains.text for v in later.values()] == [
        "lora rank 4",
        "lora rank 8",
    ]
    assert label_of({"new.trains": 3}) == "trains 3"


def test_a_sweep_shares_states_with_the_recipe_without_the_field() -> None:
    definition = defined(sweep={"new.trains": ["all", LORA]})
    found = trainings(definition, facts(dict.fromkeys(("old", "new"), 10_000)))
    whole, adapted = (found[label].chain for label in ("trains all", "trains lora rank 8"))
    assert whole.name(40) == resolved(changed(1)).chain.name(40)
    assert (whole.name(20), whole.divergence(adapted)) == (adapted.name(20), 20)


def test_the_baseline_from_random_weights_trains_all_of_them() -> None:
    data = changed(1, trains=LORA)
    found = variants(stages=data["stages"], baselines=["scratch", "union", "previous"])
    assert {v.recipe.stages[0].trains.text for v in found.values()} == {"all"}
