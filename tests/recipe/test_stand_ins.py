"""Corpora that stand in for what a pretrained model was trained on: replay from the first stage."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.models.start import Start
from raycl.plan.training import Training
from raycl.recipe import Variant, expand, parse_recipe, resolve
from raycl.recipe.resolution import Resolution
from raycl.recipe.stand_ins import knows_texts
from tests.helpers.checkpoints import CONFIG
from tests.helpers.recipe_data import SCHEDULE, WHERE, facts, recipe_data

STARTS = {
    name: Start(name, digit * 64, {**CONFIG, "vocab_size": 1000}, {}, None)
    for name, digit in (("./base", "a"), ("./other", "b"))
}
ROWS = {"english": 100, "code": 300, "german": 1000, "french": 1000}


def data(knows: Any = ("english",), stages: int = 1, **changes: Any) -> dict[str, Any]:
    """A model that knows stand-ins, and stages of 20 steps of 8 rows on German, then French."""
    written = [
        {"name": name, "steps": 20, "schedule": SCHEDULE} for name in ("german", "french")[:stages]
    ]
    written[0] |= changes.pop("first", {})
    written[-1] |= changes.pop("last", {})
    model = {"pretrained": "./base", "knows": list(knows) if isinstance(knows, tuple) else knows}
    corpora = {name: {"text": f"{name}.jsonl"} for name in ROWS}
    return recipe_data(**{"model": model, "corpora": corpora, "stages": written, **changes})


def variants(**fields: Any) -> dict[str, Variant]:
    return {variant.kind: variant for variant in expand(data(**fields), WHERE)}


def trained(variant: Variant, rows: Mapping[str, int] = ROWS) -> Training:
    resolution = Resolution(STARTS)
    return resolve(variant.recipe, facts(rows), WHERE, variant.branch, resolution)


def training(rows: Mapping[str, int] = ROWS, **fields: Any) -> Training:
    return trained(variants(**fields)["sweep"], rows)


def read(made: Training, corpus: str) -> list[int]:
    """The rows of a corpus that the training reads, in its order."""
    runs = [run for step in range(made.chain.steps) for run in made.chain.rows(step)]
    own = [run for run in runs if run.corpus == corpus]
    return [row for run in own for row in range(run.first, run.first + run.count)]


def test_the_first_stage_replays_all_rows_of_a_stand_in_from_its_beginning() -> None:
    made = training(first={"replay": "25%"})
    assert read(made, "english") == list(range(40))
    assert len(read(made, "german")) == 120
    again = training({**ROWS, "english": 15}, first={"replay": "25%"})
    assert read(again, "english") == [row % 15 for row in range(40)]


def test_replay_by_name_is_exact() -> None:
    knows = ("english", "code")
    made = training(knows=knows, first={"replay": {"english": "5%", "code": "20%"}})
    assert (len(read(made, "english")), len(read(made, "code"))) == (8, 32)


@pytest.mark.parametrize(
    ("knows", "english"),
    [(("english", "code"), 10), ({"english": "300B", "code": "100B"}, 30)],
    ids=["by their own rows", "by the tokens that the model saw"],
)
def test_stand_ins_share_replay(knows: Any, english: int) -> None:
    made = training(knows=knows, first={"replay": "25%"})
    assert (len(read(made, "english")), len(read(made, "code"))) == (english, 40 - english)


def test_later_stages_replay_stand_ins_by_what_was_seen_of_them() -> None:
    # German gives 160 rows of 16 tokens, which are 2,560 tokens.
    given = training(knows={"english": 7680}, stages=2, last={"replay": "50%"})
    assert (len(read(given, "english")), len(read(given, "german"))) == (60, 160 + 20)
    rows = training({**ROWS, "english": 480}, stages=2, last={"replay": "50%"})
    assert (len(read(rows, "english")), len(read(rows, "german"))) == (60, 160 + 20)


def test_replay_goes_on_where_the_stage_before_stopped() -> None:
    made = training(stages=2, first={"replay": "25%"}, last={"replay": {"english": "25%"}})
    assert read(made, "english") == list(range(80))


def test_huge_numbers_of_tokens_stay_exact() -> None:
    knows = {"english": "14.8T", "code": "4.2T"}
    made = training(knows=knows, stages=2, first={"replay": "50%"}, last={"replay": "10%"})
    assert made.chain.stages[1].mixture.replay == Fraction(1, 10)
    assert len(read(made, "english")) == round(80 * 148 / 190) + round(16 * 148 / 190)


def test_what_is_not_replayed_changes_no_name() -> None:
    alone = data()
    del alone["model"]["knows"]
    without = trained(expand(alone, WHERE)[0])
    assert training().chain.name(20) == without.chain.name(20)
    assert training(knows=("english", "code")).chain.name(20) == without.chain.name(20)
    assert training(first={"replay": "5%"}).chain.name(20) != without.chain.name(20)


def test_the_order_of_stand_ins_changes_no_row() -> None:
    one = training(knows=("english", "code"), first={"replay": "25%"})
    other = training(knows=("code", "english"), first={"replay": "25%"})
    assert one.chain.name(20) == other.chain.name(20)


def test_a_mixture_may_have_a_stand_in() -> None:
    made = training(first={"mixture": {"german": "75%", "english": "25%"}})
    assert read(made, "english") == list(range(40))
    with pytest.raises(InputError, match="the same rows would be read twice"):
        training(first={"mixture": {"german": "75%", "english": "25%"}, "replay": "5%"})
    both = training(
        knows=("english", "code"),
        first={"mixture": {"german": "75%", "english": "25%"}, "replay": {"code": "50%"}},
    )
    assert (len(read(both, "english")), len(read(both, "code"))) == (20, 80)


def test_the_union_reads_half_stand_ins() -> None:
    union = variants(first={"replay": "5%"}, baselines=["union"])["union"]
    made = trained(union)
    assert union.label == "union with stand-ins"
    assert made.model.pretrained == "a" * 64
    assert (len(read(made, "english")), len(read(made, "german"))) == (80, 80)
    several = trained(
        variants(knows={"english": "3T", "code": "1T"}, stages=2, baselines=["union"])["union"]
    )
    found = {corpus: len(read(several, corpus)) for corpus in ROWS}
    assert found == {"english": 120, "code": 40, "german": 80, "french": 80}


def test_the_union_leaves_stand_ins_out_of_what_is_new() -> None:
    mixture = {"german": "75%", "english": "25%"}
    made = trained(variants(first={"mixture": mixture}, baselines=["union"])["union"])
    assert (len(read(made, "english")), len(read(made, "german"))) == (80, 80)
    with pytest.raises(InputError, match="nothing to add"):
        variants(first={"mixture": {"english": 1}}, baselines=["union"])


def test_scratch_knows_nothing() -> None:
    scratch = variants(first={"replay": "5%"}, baselines=["scratch"])["scratch"]
    made = trained(scratch)
    assert scratch.label == "german from scratch"
    assert not scratch.recipe.model.knows
    assert (made.model.pretrained, read(made, "english")) == (None, [])


def test_previous_of_one_stage_trains_nothing() -> None:
    assert set(variants(baselines=["previous"])) == {"sweep"}
    two = variants(stages=2, first={"replay": "5%"}, baselines=["previous"])["previous"]
    assert (two.label, trained(two).chain.steps) == ("german only", 20)


def test_one_stage_without_stand_ins_has_no_baselines() -> None:
    alone = data(baselines=["union"])
    del alone["model"]["knows"]
    with pytest.raises(InputError, match=r"or a pretrained model with model\.knows"):
        expand(alone, WHERE)


def test_replay_and_stand_ins_can_be_swept() -> None:
    swept = {"german.replay": ["0%", "5%"], "model.knows": [["english"], ["english", "code"]]}
    found = expand(data(sweep=swept), WHERE)
    assert [variant.label for variant in found] == [
        "replay 0%, knows english",
        "replay 0%, knows english + code",
        "replay 5%, knows english",
        "replay 5%, knows english + code",
    ]
    assert found[1].fields["model.knows"] == "code + english"
    names = [trained(variant).chain.name(20) for variant in found]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_several_starts_know_the_same() -> None:
    found = expand(data(sweep={"model.pretrained": ["./base", "./other"]}), WHERE)
    assert [list(variant.recipe.model.knows) for variant in found] == [["english"]] * 2


def test_infinite_schedules_and_their_branches_replay_stand_ins() -> None:
    infinite = {
        "kind": "infinite",
        "max_lr": "3e-3",
        "constant_lr": "2e-3",
        "min_lr": "3e-4",
        "cooldown": "50%",
    }
    first = {
        "replay": "25%",
        "schedule": infinite,
        "anneal": {"length": "4 steps", "min_lr": "3e-4"},
    }
    found = variants(first=first, baselines=["union", "scratch", "previous"])
    assert set(found) == {"sweep", "anneal", "union", "scratch"}
    assert read(trained(found["anneal"]), "english") == list(range(48))
    union = trained(found["union"])
    assert union.chain.steps == 24
    assert len(read(union, "english")) == 96


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"preset": "gpt-neox-tiny", "knows": ["english"]}, "there is none"),
        ({"pretrained": "x", "knows": ["english"], "weights": "random"}, "know nothing"),
        ({"pretrained": "x", "knows": ["english", "english"]}, "twice"),
        ({"pretrained": "x", "knows": {"english": 0}}, "0 tokens of 'english'"),
        ({"pretrained": "x", "knows": {"english": "2T", "code": None}}, "some corpora only"),
        ({"pretrained": "x", "knows": {"english": "much"}}, "not a number"),
        ({"pretrained": "x", "knows": {"english": -1}}, "not a whole number"),
        ({"pretrained": "x", "knows": "english"}, "not a list of corpora"),
        ({"pretrained": "x", "knows": [2023]}, "not the name of a corpus"),
    ],
)
def test_what_cannot_be_known_is_refused(model: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        parse_recipe(data(model=model), WHERE)
    assert error.value.remedy


def test_a_stand_in_is_a_corpus_with_rows() -> None:
    with pytest.raises(InputError, match=r"model\.knows\.wiki: no such corpus"):
        training(knows=("wiki",))
    with pytest.raises(InputError, match="no training rows"):
        training({**ROWS, "english": 0})


def test_replay_without_stand_ins_names_the_remedy() -> None:
    alone = data(first={"replay": "5%"})
    del alone["model"]["knows"]
    with pytest.raises(InputError, match=r"name in model\.knows"):
        trained(expand(alone, WHERE)[0])


def test_an_unknown_corpus_is_not_replayed_by_name() -> None:
    with pytest.raises(InputError, match="Seen: english"):
        training(first={"replay": {"code": "5%"}})


def test_a_written_recipe_is_read_again() -> None:
    for knows in (("english", "code"), {"english": "2T"}):
        recipe = parse_recipe(data(knows=knows), WHERE)
        assert parse_recipe(recipe.model_dump(), WHERE) == recipe


def test_the_plan_says_what_stands_in() -> None:
    recipe = parse_recipe(data(knows=("english", "code"), baselines=["previous"]), WHERE)
    first, second = knows_texts(recipe, [recipe])
    assert first.startswith("code and english stand in for what the model was trained on")
    assert "needs no training" in second
    assert knows_texts(recipe, []) == []
