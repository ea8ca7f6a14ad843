"""First recipes from answers: each of a grid of answers plans, and its numbers are right."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.plan.presets import PRESETS
from raycl.plan.schedule import Cosine, Infinite
from raycl.recipe.definition import Definition, define_document, make_tree
from raycl.recipe.definition import corpus_facts as facts_of
from raycl.recipe.schema import Stage
from raycl.recipe.starter.answers import Answers, ModelAnswer, Place, TextAnswer
from raycl.recipe.starter.budget import Budget, Speed, parse_budget, stage_tokens
from raycl.recipe.starter.lines import flow
from raycl.recipe.starter.model import RANDOM, check_model, preset_model, suitable_preset
from raycl.recipe.starter.place import check_place, with_workers
from raycl.recipe.starter.points import baselines, replays, stage_lengths
from raycl.recipe.starter.rates import rate_text, usual_rate
from raycl.recipe.starter.sizes import sizes
from raycl.recipe.starter.stages import repetition
from raycl.recipe.starter.text import SeenText, corpus_name, see_text
from raycl.recipe.starter.write import starter_recipe
from raycl.recipe.yaml import parse_document
from raycl.units import parse_real

GERMAN = TextAnswer("german", {"text": ["de.jsonl"], "text_field": "b"}, 3_000_000, 900, "9 MB")
ENGLISH = TextAnswer("english", {"fetch": "english"}, 2_500_000, 1000, "10 MB")
SCRATCH = preset_model("gpt-neox-tiny", 10_000_000)[0]
GIVEN = ModelAnswer({"pretrained": "./m"}, 135_000_000, 9e8, 8192, None)
PLAIN = Answers("my", SCRATCH, GERMAN, ENGLISH, "weak", 2_000_000)


def defined(answers: Answers) -> Definition:
    """The definition in the recipe for the answers."""
    text = starter_recipe(answers).text
    return define_document(parse_document(text, "my.yaml"), "my.yaml")


def planned_tokens(answers: Answers) -> int:
    """Tokens that the whole sweep trains, each shared step once."""
    definition = defined(answers)
    tree = make_tree(definition, facts_of(definition, None))
    return sum(node.steps * node.training.chain.tokens_per_step for node in tree.nodes)


SHIFTS: list[tuple[TextAnswer | None, Any]] = [(ENGLISH, "weak"), (ENGLISH, "strong"), (None, None)]
GRID = list(
    itertools.product(
        SHIFTS,
        (50_000, 2_000_000, 500_000_000, 300_000_000_000),
        (False, True),
        (Place(), Place(8, "H100"), Place(3, None, "auto", 2)),
        (None, 3e-4),
        (True, False),
    )
)[::5]
"""Every fifth, in which each pair of answers occurs."""


@pytest.mark.parametrize("model", [SCRATCH, GIVEN], ids=["scratch", "given"])
def test_every_grid_of_answers_makes_a_recipe(model: ModelAnswer) -> None:
    for (old, shift), tokens, more, place, rate, compared in GRID:
        answers = Answers(
            "my", model, GERMAN, old, shift, tokens, place, rate, more, compared, None, "", "raycl"
        )
        recipe = defined(answers).recipe
        assert recipe.stages[-1].name == "german"
        assert recipe.sequence_length * recipe.rows_per_step <= 1104 * 2048
        written = starter_recipe(answers).text.split("\n")
        assert all(len(line) <= 100 for line in written if line.strip().startswith("#"))
        assert recipe.baselines == baselines(answers)
        schedule = recipe.stages[0].schedule
        assert isinstance(schedule, Infinite if more else Cosine)
        assert schedule.peak == (rate or usual_rate(model.parameters))
        assert schedule.floor == pytest.approx(schedule.peak / 10)


@pytest.mark.parametrize("shift", ["weak", "strong"])
@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("compared", [False, True])
def test_all_training_is_what_the_lengths_say(shift: Any, more: bool, compared: bool) -> None:
    answers = replace(PLAIN, shift=shift, more=more, baselines=compared)
    stage = sizes(answers).tokens
    assert planned_tokens(answers) / stage == pytest.approx(float(stage_lengths(answers)), rel=0.01)
    alone = replace(answers, old=None, shift=None)
    assert planned_tokens(alone) / stage == pytest.approx(1.14 if more else 1.0, rel=0.01)


def test_replay_follows_the_shift() -> None:
    for shift, share in (("weak", Fraction(1, 20)), ("strong", Fraction(1, 4))):
        for model in (SCRATCH, GIVEN):
            answers = replace(PLAIN, model=model, shift=shift)  # type: ignore[arg-type]
            made = defined(answers)
            assert made.recipe.stages[-1].replay == share
            assert str(replays(answers)[0]) == "0%"
            assert f"{float(share):.0%}" in replays(answers)
    assert "50%" not in replays(replace(PLAIN, model=GIVEN, shift="strong"))  # as `union` is


def test_a_given_model_has_its_stand_in_and_other_rates_only_where_its_own_is_not_known() -> None:
    unknown = defined(replace(PLAIN, model=GIVEN)).recipe
    assert list(unknown.model.knows) == ["english"]
    assert [stage.name for stage in unknown.stages] == ["german"]
    rates = [grid["german.schedule.max_lr"] for grid in unknown.sweep[1:]]
    assert [parse_real(rate) for rate in rates[0]] == pytest.approx([2e-4, 1.8e-3])
    known = defined(replace(PLAIN, model=GIVEN, max_lr=5e-4)).recipe
    assert [list(grid) for grid in known.sweep] == [["german.replay"]]
    assert known.stages[0].schedule.peak == 5e-4


def test_more_text_later_carries_the_optimizer_along_a_plateau() -> None:
    old, new = defined(replace(PLAIN, more=True)).recipe.stages
    assert isinstance(old.schedule, Infinite)
    assert old.schedule.constant_lr == pytest.approx(0.55 * old.schedule.peak)
    assert old.schedule.cooldown.unit == "steps"  # so that the stage can be made longer
    assert (new.optimizer, new.schedule.max_lr, old.anneal) == ("carry", "parent", None)
    assert new.anneal is not None


def test_gpus_go_to_the_shared_stage_and_are_divided_among_recipes() -> None:
    old, new = defined(replace(PLAIN, place=Place(8, "H100"))).recipe.stages
    assert (old.workers.max, new.workers.max) == (8, 2)
    old, new = defined(replace(PLAIN, place=Place(8, "H100", workers=4))).recipe.stages
    assert (old.workers.max, new.workers.max) == (8, 4)
    assert [place.workers for place in with_workers(Place(6))] == [1, 2, 4]


def test_sizes_keep_to_the_model_the_text_and_the_budget() -> None:
    assert sizes(replace(PLAIN, tokens=300 * 10**9, place=Place(8))).rows == 1104 * 2
    short = replace(PLAIN, model=replace(SCRATCH, positions=100))
    assert sizes(short).sequence_length == 64
    assert sizes(replace(PLAIN, sequence_length=80)).sequence_length == 80
    few = sizes(replace(PLAIN, tokens=50_000))
    # Validation of both corpora, eleven times, costs about a tenth of the training.
    assert 11 * 2 * few.validation_rows / 3 <= 0.35 * few.steps * few.rows
    with pytest.raises(InputError, match=r"--budget: 500 tokens are 1 steps"):
        sizes(replace(PLAIN, tokens=500))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"documents": 3}, "too few documents to hold some of them out whole: "),
        ({"tokens": 3000}, "about 3,000 tokens"),
    ],
)
def test_text_from_which_nothing_can_be_held_out_is_refused(
    changes: dict[str, int], said: str
) -> None:
    for field, flag in (("new", "--new"), ("old", "--old")):
        text = replace(getattr(PLAIN, field), **changes)
        with pytest.raises(InputError, match=f"{flag}: {said}"):
            starter_recipe(replace(PLAIN, **{field: text}))


def test_text_that_is_read_too_often_is_told() -> None:
    told = starter_recipe(replace(PLAIN, tokens=30_000_000)).remarks
    assert told[0].startswith("The stage german reads its text about 9.")
    assert "More than 4 passes" in told[0]
    part = starter_recipe(replace(PLAIN, tokens=1_500_000)).remarks
    assert part[0] == "The stage german reads about 49% of its text."
    assert repetition(0.999) == "reads its text about once"
    assert repetition(1.3) == "reads its text about 1.3 times"


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("1B", Budget("tokens", 1e9)),
        ("2.5M tokens", Budget("tokens", 2.5e6)),
        ("3x", Budget("passes", 3)),
        ("6h", Budget("seconds", 21600)),
        ("2 days", Budget("seconds", 172800)),
        ("90min", Budget("seconds", 5400)),
    ],
)
def test_budgets(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "much", "-1B", "0x", "0h", "5%%", "1e400"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(InputError, match="Give tokens"):
        parse_budget(text)


def test_hours_become_tokens_by_speed_and_all_stages() -> None:
    speed = Speed(1e12, "a test")
    tokens, note = stage_tokens(Budget("seconds", 3600), 10**9, 5.0, 1e9, speed)
    assert tokens == int(1000 * 3600 / 5.5)
    assert note.startswith("60 min for 5 stages at 1k tokens/s")
    assert "a test" in note
    tokens, note = stage_tokens(Budget("seconds", 3600), 1000, 5.0, 1e9, speed)
    assert (tokens, note[:18]) == (4000, "4 × the new text, ")
    assert stage_tokens(Budget("passes", 2), 1000, 5.0, 1e9, speed)[0] == 2000


def test_random_is_the_largest_preset_that_the_tokens_train() -> None:
    assert suitable_preset(10**7, lambda *_: 1.0) == "gpt-neox-tiny"
    assert suitable_preset(10**12, lambda *_: 9e9) == "gpt-neox-405m"
    assert suitable_preset(10**12, lambda *_: 1e15) == "gpt-neox-9.6b"


@pytest.mark.parametrize("text", [*PRESETS, RANDOM, "owner/model"])
def test_what_is_a_model(text: str) -> None:
    assert check_model(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpt-neox-405", "Do you mean gpt-neox-405m?"),
        ("./none", "existing folder"),
        ("x", "one of"),
    ],
)
def test_what_is_no_model(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        check_model(text)


def test_places() -> None:
    assert check_place("laptop") == Place()
    assert check_place("ray://head:10001").address == "ray://head:10001"
    with pytest.raises(InputError, match="Give laptop, gpus, auto"):
        check_place("moon")


@given(st.text(max_size=60))
def test_any_path_gives_a_name_that_recipes_take(path: str) -> None:
    name = corpus_name(SeenText((path or "x",)), ("text",))
    assert name != "text"
    data = {**yaml.safe_load("{tokens: 1, schedule: rewarm}"), "name": name}
    assert Stage.model_validate(data).name == name
    assert isinstance(parse_document(f"{flow(name)}: 1", "x").data, dict)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/german/*.jsonl", "german"),
        ("s3://bucket/web/part-*.parquet", "web"),
        ("no.jsonl", "text-no"),
        ("later", "text-later"),
        ("2023.txt.gz", "text-2023"),
        ("my text", "my-text"),
    ],
)
def test_names_are_those_of_the_text(path: str, name: str) -> None:
    assert corpus_name(SeenText((path,)), ()) == name
    assert corpus_name(SeenText((path,)), (name,)) == f"{name}-2"


def test_names_to_fetch_stand_alone() -> None:
    assert see_text("fetch:german").fetch == see_text("german").fetch == "german"
    with pytest.raises(InputError, match="stands beside other text"):
        see_text("german english")


@given(st.floats(1e-9, 1.0))
def test_rates_are_read_back(rate: float) -> None:
    assert parse_real(rate_text(rate)) == pytest.approx(rate, rel=0.006)
    assert parse_document(f"a: {flow(rate_text(rate))}", "x").data["a"] in (
        rate_text(rate),
        parse_real(rate_text(rate)),
    )


def test_usual_rates_are_the_papers_where_it_says_them() -> None:
    assert (usual_rate(405_000_000), usual_rate(9_600_000_000)) == (3e-4, 1.2e-4)
