"""Recipes: what a user writes, and what becomes of it."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.plan.epochs import rows_at
from raycl.plan.schedule import Cosine
from raycl.recipe import expand, parse_recipe, read_yaml, resolve, with_field
from raycl.recipe.lengths import whole_steps
from raycl.recipe.schema import Workers
from tests.helpers.recipe_data import (
    SCHEDULE,
    WHERE,
    changed,
    facts,
    recipe_data,
    resolved,
    variants,
)


def test_numbers_as_people_write_them() -> None:
    data = changed(1, tokens="1.28k", steps=None, replay="12.5%")
    recipe = parse_recipe({**data, "seed": "1k", "global_batch": "128 tokens"}, WHERE)
    assert recipe.seed == 1000
    assert recipe.rows_per_step == 8
    assert recipe.stages[1].replay == Fraction(1, 8)
    assert whole_steps(recipe, recipe.stages[1]) == 10
    assert recipe.stages[0].schedule.max_lr == 3e-3


@pytest.mark.parametrize(("batch", "rows"), [(1104, 1104), ("1104 sequences", 1104), ("2k", 2000)])
def test_global_batch_in_sequences(batch: Any, rows: int) -> None:
    assert parse_recipe(recipe_data(global_batch=batch), WHERE).rows_per_step == rows


def test_with_field_leaves_its_input_alone() -> None:
    data = recipe_data()
    assert with_field(data, "new.schedule.max_lr", "1e-3", WHERE)["stages"][1]["schedule"] == {
        **SCHEDULE,
        "max_lr": "1e-3",
    }
    assert with_field(data, "execution.save_every", 5, WHERE)["execution"] == {"save_every": 5}
    assert data == recipe_data()


def test_a_sweep_as_mapping_takes_every_combination_in_order() -> None:
    made = variants(sweep={"new.replay": ["0%", "25%"], "new.schedule.max_lr": ["1e-3", "2e-3"]})
    assert list(made) == [
        "replay 0%, max_lr 1e-3",
        "replay 0%, max_lr 2e-3",
        "replay 25%, max_lr 1e-3",
        "replay 25%, max_lr 2e-3",
    ]
    last = made["replay 25%, max_lr 2e-3"]
    assert last.fields == {"new.replay": 0.25, "new.schedule.max_lr": 2e-3}
    assert last.recipe.stages[1].schedule.max_lr == 2e-3
    schedule = last.recipe.stages[1].schedule
    assert isinstance(schedule, Cosine)
    assert schedule.floor == pytest.approx(2e-4)  # 10% follows max_lr


def test_grids_in_a_list_merge_what_is_equal_and_report_every_swept_field() -> None:
    made = variants(
        sweep=[
            {"new.replay": ["0%", "25%"]},
            {"new.schedule.max_lr": ["3e-3", 0.001]},  # 3e-3 with 25 % is there already
        ]
    )
    assert list(made) == ["replay 0%", "replay 25%", "max_lr 0.001"]
    assert made["max_lr 0.001"].fields == {"new.replay": 0.25, "new.schedule.max_lr": 1e-3}
    assert made["replay 0%"].fields == {"new.replay": 0.0, "new.schedule.max_lr": 3e-3}


def test_whole_schedules_and_other_fields_can_be_swept() -> None:
    made = variants(
        sweep=[{"new.schedule": [{"kind": "constant", "max_lr": "3e-4"}]}, {"seed": [1, 2]}]
    )
    assert list(made) == ["schedule constant max_lr 3e-4", "seed 1", "seed 2"]
    assert made["seed 2"].fields["seed"] == 2
    assert "constant" in made["schedule constant max_lr 3e-4"].fields["new.schedule"]


def test_without_a_sweep_the_recipe_stands_for_itself() -> None:
    assert list(variants()) == ["small"]


def test_union_weighs_stages_by_their_tokens() -> None:
    data = recipe_data(baselines=["union"])
    data["stages"][1] |= {"steps": 60, "mixture": {"new": 300, "old": 100}, "workers": 2}
    _, union = expand(data, WHERE)
    (stage,) = union.recipe.stages
    assert (union.kind, stage.steps, stage.replay_share, stage.workers.max) == (
        "union",
        80,
        Fraction(0),
        2,
    )
    # 20 steps of old, 60 of which a quarter is old: 35 of 80
    assert stage.mixture == {"old": Fraction(35, 80), "new": Fraction(45, 80)}
    whole = resolved(data | {"baselines": []}).chain.tokens_per_step * 80
    training = resolve(union.recipe, facts({"old": 9999, "new": 9999}), WHERE)
    assert training.chain.steps * training.chain.tokens_per_step == whole


def test_union_repeats_where_a_stage_may() -> None:
    data = changed(1, at_end="repeat") | {"baselines": ["union"]}
    assert expand(data, WHERE)[1].recipe.stages[0].at_end == "repeat"


def test_scratch_is_the_last_stage_alone_with_the_first_schedule() -> None:
    data = recipe_data(baselines=["scratch"])
    data["stages"][1]["schedule"] = {"kind": "constant", "max_lr": "1e-4"}
    scratch = expand(data, WHERE)[1]
    (stage,) = scratch.recipe.stages
    assert (scratch.label, scratch.kind) == ("new from scratch", "scratch")
    assert (stage.name, stage.steps, stage.replay_share) == ("new", 20, Fraction(0))
    assert stage.mixture == {"new": Fraction(1)}
    assert stage.schedule.kind == "cosine"


def test_replay_over_four_stages_is_the_published_one() -> None:
    """The authors' SlimPajama configs (paper §4): Pile 300B, then three times 100B, 5 %."""
    names = ["pile", "sp1", "sp2", "sp3"]
    stages = [
        {
            "name": name,
            "tokens": "300B" if name == "pile" else "100B",
            "schedule": SCHEDULE,
            "replay": "0%" if name == "pile" else "5%",
        }
        for name in names
    ]
    data = recipe_data(
        stages=stages,
        corpora={n: {"text": n} for n in names},
        sequence_length=2000,
        global_batch=1000,
    )
    recipe = parse_recipe(data, WHERE)
    rows = facts(dict.fromkeys(names, 10**9), length=2001)
    published = [
        {},
        {"pile": "5"},
        {"pile": "3.8125", "sp1": "1.1875"},
        {"pile": "3.088125", "sp1": "0.961875", "sp2": "0.95"},
    ]
    for stage, expected in zip(resolve(recipe, rows, WHERE).chain.stages, published, strict=True):
        mixture = stage.mixture
        shares = {s.corpus: 100 * s.weight * mixture.replay for s in mixture.sources if s.replay}
        assert shares == {name: Fraction(value) for name, value in expected.items()}


def test_new_data_continues_and_replay_reads_what_was_seen_from_its_first_row() -> None:
    data = changed(1, mixture={"old": "50%", "new": "50%"}, replay="25%")
    data["stages"].append(
        {"name": "third", "mixture": {"old": 1}, "steps": 20, "replay": "50%", "schedule": SCHEDULE}
    )
    _, second, third = resolved(data).chain.stages
    new = {s.corpus: s for s in second.mixture.sources if not s.replay}
    assert (new["old"].first, new["new"].first) == (160, 0)
    (replay,) = (s for s in second.mixture.sources if s.replay)
    assert (replay.corpus, replay.first, replay.limit) == ("old", 0, 160)
    # 160 rows in the second stage: 40 replayed, 60 new of each corpus
    new = {s.corpus: s for s in third.mixture.sources if not s.replay}
    assert new["old"].first == 220
    replays = {s.corpus: s for s in third.mixture.sources if s.replay}
    assert (replays["old"].first, replays["old"].limit) == (40, 220)
    assert (replays["new"].first, replays["new"].limit) == (0, 60)


def test_rows_of_a_hand_off_as_the_training_reads_them() -> None:
    chain = resolved(recipe_data()).chain
    runs = [run for step in range(20, 24) for run in chain.rows(step)]
    for corpus in ("old", "new"):
        first = next(run.first for run in runs if run.corpus == corpus)
        assert first == 0  # `old` is replayed from its first row, `new` begins
    assert sum(run.count for run in runs if run.corpus == "old") == 8


def test_a_repeating_corpus_is_read_in_another_order_in_its_second_epoch() -> None:
    data = changed(0, at_end="repeat")
    recipe = parse_recipe(data, WHERE)
    chain = resolve(recipe, facts({"old": 100, "new": 999}), WHERE).chain
    read = [row for step in range(20) for run in chain.rows(step) for row in _rows(run)]
    assert read == [*range(100), *rows_at(100, 160, 100, 0).tolist()]
    (replay,) = (s for s in chain.stages[1].mixture.sources if s.replay)
    assert (replay.first, replay.limit) == (0, 100)


def _rows(run: Any) -> range:
    return range(run.first, run.first + run.count)


def test_stop_shortens_the_stage_to_what_the_corpus_fills() -> None:
    data = changed(0, at_end="stop")
    training = resolve(parse_recipe(data, WHERE), facts({"old": 100, "new": 999}), WHERE)
    assert training.chain.stages[0].steps == 12  # 96 of 100 rows
    assert training.stop == training.chain.steps == 32


@pytest.mark.parametrize("kind", ["cosine", "constant"])
def test_the_first_learning_rate_after_a_hand_off_is_the_new_schedules(kind: str) -> None:
    schedule = {"kind": kind, "max_lr": "1e-3", "warmup": "0%"}
    chain = resolved(changed(1, schedule=schedule)).chain
    assert chain.learning_rates(20, 21)[0] == 1e-3
    assert resolved(recipe_data()).chain.learning_rates(20, 21)[0] == 0  # warm-up from zero
    own = chain.stages[1].schedule.rates(np.arange(20.0), 20, chain.tokens_per_step)
    assert np.array_equal(chain.learning_rates(20, 40), own)
    assert chain.resets_optimizer(20)
    assert not resolved(changed(1, optimizer="carry")).chain.resets_optimizer(20)


BAD_RECIPES = [
    (recipe_data(sed=1), ["my.yaml: sed", "unknown field", "'seed'"]),
    (changed(0, replayy="5%"), ["stages.0.replayy", "unknown field", "'replay'"]),
    (changed(0, schedule={**SCHEDULE, "max_rate": 1}), ["schedule", "max_rate", "'max_lr'"]),
    (
        changed(0, schedule={"kind": "constant", "max_lr": 1, "min_lr": 0}),
        ["stages.0.schedule.constant.min_lr", "unknown field", "max_lr"],
    ),
    (changed(0, schedule={"max_lr": 1}), ["stages.0.schedule", "`kind`", "cosine, linear"]),
    (changed(0, schedule={"kind": "cubic"}), ["stages.0.schedule", "cubic", "'cosine', 'linear'"]),
    (recipe_data(corpora={"old": {"fetc": "x"}}), ["corpora.old.fetc", "'fetch'"]),
    (recipe_data(zzzzzz=1), ["my.yaml: zzzzzz", "Known fields:", "sequence_length"]),
    (changed(0, steps="12x"), ["stages.0.steps is '12x'", "not a number", "300B, 1.2M, 5%"]),
    (changed(0, steps=True), ["stages.0.steps is True", "not a number"]),
    (changed(0, steps=1.5), ["stages.0.steps is 1.5", "not a whole number"]),
    (changed(0, steps=0), ["stages.0.steps is 0", "greater than 0"]),
    (changed(1, replay="120%"), ["stages.1.replay is '120%'", "not a share", "0 to 1"]),
    (changed(0, tokens=100), ["stages.0", "give either `steps` or `tokens`"]),
    (changed(0, steps=None), ["stages.0", "give either `steps` or `tokens`"]),
    (changed(0, schedule=None), ["stages.0.schedule", "missing", "Add it"]),
    (
        changed(0, schedule={**SCHEDULE, "min_lr": "1e-2"}),
        ["stages.0.schedule", "min_lr 0.01", "max_lr 0.003", "Give a smaller one"],
    ),
    (
        changed(0, schedule={**SCHEDULE, "warmup": "5 weeks"}),
        ["warmup is '5 weeks'", "not a length", "'120 steps' or '2B tokens'"],
    ),
    (recipe_data(global_batch=0), ["global_batch 0", "less than one sequence"]),
    (recipe_data(global_batch="15 tokens"), ["global_batch 15 tokens", "Give a larger one"]),
    (recipe_data(tokenizer={}), ["tokenizer", "`load`", "`train`"]),
    (recipe_data(model={"config": {"vocab_size": "50k"}}), ["model", "vocab_size '50k'"]),
    (changed(1, name="old"), ["two stages are called 'old'", "Give each its own name"]),
    (recipe_data(stages=[]), ["my.yaml: stages is []", "at least 1 item"]),
    (recipe_data(sweep={"new.replay": []}), ["sweep.new.replay has no values", "Give one"]),
    (recipe_data(sweep={"nww.replay": ["1%"]}), ["sweep: nww.replay", "no stage", "'new'"]),
    (recipe_data(sweep={"new.replai": ["1%"]}), ["sweep replai 1%", "'replay'"]),
    (recipe_data(sweep={"new.replay": ["1", "x"]}), ["sweep replay 1", "less than 1"]),
    (
        recipe_data(sweep=[{"old.schedule.max_lr": ["1e-3"]}, {"new.schedule.max_lr": ["1e-3"]}]),
        ["my.yaml: sweep", "two recipes are called 'max_lr 1e-3'", "Merge the grids"],
    ),
    (
        recipe_data(stages=[changed(0)["stages"][0]], baselines=["union"]),
        ["baselines 'union'", "one stage", "two or more"],
    ),
    (
        changed(1, mixture={"old": "80%", "new": "40%"}) | {"baselines": ["union"]},
        ["my.yaml: stages.new.mixture", "exceed 1", "1.2", "Make them sum to 100%"],
    ),
]


@pytest.mark.parametrize(("data", "parts"), BAD_RECIPES)
def test_bad_fields_are_named_with_their_remedy(data: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        expand(data, WHERE)
    message = str(caught.value)
    assert message.startswith("my.yaml")
    assert caught.value.remedy
    for part in parts:
        assert part in message


UNTRAINABLE = [
    (changed(1, mixture={"old": "80%", "new": "40%"}), ["stages.new.mixture", "exceed 1", "1.2"]),
    (changed(1, mixture={"old": "50%", "new": "40%"}), ["do not reach 1", "0.9", "weights"]),
    (changed(1, mixture={"old": -1, "new": 2}), ["stages.new.mixture", "negative"]),
    (
        changed(1, mixture={"old": "0.1%", "new": "99.9%"}),
        ["stages.new.mixture.old 0.00075", "too small", "20 steps", "larger share"],
    ),
    (changed(1, replay="0.1%"), ["stages.new.replay 0.001", "too small", "'old'", "larger"]),
    (changed(0, replay="5%"), ["stages.old.replay", "before the first stage", "later stage"]),
    (changed(0, steps=5000), ["stages.old", "5000 steps", "10000 rows", "1250", "at_end: repeat"]),
    (changed(0, steps=10**18, at_end="repeat"), ["stages.old", "Give fewer tokens"]),
    (changed(1, mixture={"nex": 1}), ["stages.new.mixture", "no corpus 'nex'", "old, new"]),
    (changed(1, workers=9), ["stages.new.workers 9", "8 rows", "Give at most 8"]),
    (
        changed(1, schedule={**SCHEDULE, "warmup": "21 steps"}),
        ["stages.new.schedule.warmup", "21 steps", "stage's 20", "Make it shorter"],
    ),
    (recipe_data(sequence_length=32), ["sequence_length 32", "16 tokens", "Give 16"]),
    (recipe_data(model={"preset": "gpt-neox-50m"}), ["'gpt-neox-50m'", "Known: gpt-neox-tiny"]),
    (recipe_data(model={}), ["my.yaml: model", "nothing to build", "preset"]),
    (recipe_data(model={"preset": "x", "pretrained": "y"}), ["my.yaml: model", "Give one"]),
    (
        recipe_data(model={"preset": "gpt-neox-tiny", "config": {"vocab_size": 999}}),
        ["model.config.vocab_size 999", "1000 tokens", "Give 1000 or more"],
    ),
]


@pytest.mark.parametrize(("data", "parts"), UNTRAINABLE)
def test_what_cannot_be_trained_is_refused(data: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        resolved(data)
    message = str(caught.value)
    assert message.startswith("my.yaml")
    assert caught.value.remedy
    for part in parts:
        assert part in message


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(InputError, match=r"mixture\.old: the corpus has no training rows"):
        resolved(changed(0, at_end="repeat"), rows=0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "no such file"), ("a: [1", "not readable as YAML"), ("- a", "not a mapping")],
)
def test_files_that_are_no_recipe(tmp_path: Path, text: str | None, problem: str) -> None:
    path = tmp_path / "recipe.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=problem) as caught:
        read_yaml(path)
    assert caught.value.where.startswith(str(path))


def test_the_limit_of_skipped_steps_reaches_training_and_no_name() -> None:
    limited = resolved(recipe_data(execution={"max_skipped": 3}))
    assert (limited.execution.max_skipped, resolved(recipe_data()).execution.max_skipped) == (3, 10)
    assert limited.chain.name(40) == resolved(recipe_data()).chain.name(40)


def test_workers_that_follow_the_machines() -> None:
    training = resolved(changed(1, workers={"min": 1, "max": 2}))
    assert [(s.fewest_workers, s.workers) for s in training.chain.stages] == [(1, 1), (1, 2)]
    fixed = resolved(changed(1, workers=2))
    assert training.chain.name(40) == fixed.chain.name(40)
    union = variants(**changed(1, workers={"min": 1, "max": 2}), baselines=["union"])["union"]
    assert union.recipe.stages[0].workers == Workers(min=1, max=2)


@given(st.integers(1, 8), st.integers(1, 8))
def test_any_number_of_workers_up_to_the_rows_of_a_batch(one: int, other: int) -> None:
    fewest, most = sorted((one, other))
    stage = resolved(changed(1, workers={"min": fewest, "max": most})).chain.stages[1]
    assert (stage.fewest_workers, stage.workers) == (fewest, most)


def test_rows_of_validation_as_a_total_over_all_corpora() -> None:
    assert resolved(recipe_data(validation={"total_rows": 9})).validation.rows == 4
    assert resolved(recipe_data(validation={"total_rows": 1})).validation.rows == 1
    assert resolved(recipe_data(validation={"every": 3, "total_rows": 8})).validation.every == 3
    with pytest.raises(InputError, match=r"rows and total_rows"):
        resolved(recipe_data(validation={"total_rows": 9, "rows": 4}))


@pytest.mark.parametrize(
    ("workers", "words"),
    [
        ({"min": 2, "max": 9}, [r"stages\.new\.workers 9", "8 rows", "Give at most 8"]),
        ({"min": 4, "max": 2}, ["min 4 is more than max 2"]),
        ({"min": 0, "max": 2}, [r"workers\.min is 0"]),
        ("many", [r"workers\.min is 'many'"]),
        ({"max": 2}, [r"workers\.min"]),
    ],
)
def test_ranges_of_workers_that_cannot_be(workers: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        resolved(changed(1, workers=workers))
    for word in words:
        assert re.search(word, str(caught.value))
