"""A recipe at another size keeps its stages, ratios, schedules and grids."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raycl.cli.main import main
from raycl.data.corpora import names as fetchable
from raycl.errors import InputError
from raycl.plan.anneal import Annealed
from raycl.plan.presets import PRESETS
from raycl.plan.training import Training
from raycl.recipe.definition import Definition, corpus_facts, define, trainings
from raycl.recipe.scale import load_scale, scaled
from raycl.recipe.scale_values import Factors, scaled_field
from raycl.units import parse_length, parse_number
from tests.helpers.paths import ROOT
from tests.helpers.recipe_data import WHERE, recipe_data, write_recipe

FOLDER = ROOT / "configs" / "paper"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
HERE = load_scale("tiny").steps.here
"""Steps that a stage of 132,366 has."""
FACTORS = Factors(
    Fraction(150, 132_366), Fraction(1, 1000), 2048, Fraction(8), {"a": "x", "b": "x", "c": "c"}
)


@cache
def at(name: str, scale: str | None) -> Definition:
    return define(FOLDER / f"{name}.yaml", scale=scale)


@cache
def whole(name: str, scale: str | None) -> dict[str, Training]:
    return trainings(at(name, scale), corpus_facts(at(name, scale), None))


def without_rates(label: str) -> str:
    """A label without its numbers that a scale changes; percentages stay."""
    return re.sub(r"(?<=lr )[\d.e-]+|[\d.]+k? (?=steps)", "…", label)


# ---------------------------------------------------------------- the paper's recipes


@pytest.mark.parametrize("name", NAMES)
def test_recipes_labels_and_kinds_stay(name: str) -> None:
    full, tiny = at(name, None).variants, at(name, "tiny").variants
    assert [(v.kind, without_rates(v.label)) for v in tiny] == [
        (v.kind, without_rates(v.label)) for v in full
    ]
    assert [[s.name for s in v.recipe.stages] for v in tiny] == [
        [s.name for s in v.recipe.stages] for v in full
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_tree_keeps_its_shape(name: str) -> None:
    """Which recipes are the same up to the end of a stage; rows and warm-ups part inside stages."""
    assert _shared(whole(name, "tiny")) == _shared(whole(name, None))


def _shared(recipes: dict[str, Training]) -> list[set[int]]:
    groups: dict[tuple[int, str], set[int]] = {}
    for number, training in enumerate(recipes.values()):
        chain = training.chain
        for stage, end in enumerate(chain.starts[1:]):
            groups.setdefault((stage, chain.name(end)), set()).add(number)
    return sorted(groups.values(), key=sorted)


@pytest.mark.parametrize("name", NAMES)
def test_rates_keep_their_curve_and_grow_eightfold(name: str) -> None:
    for full, tiny in zip(whole(name, None).values(), whole(name, "tiny").values(), strict=True):
        for large, small in zip(full.chain.stages, tiny.chain.stages, strict=True):
            # A branch leaves its trunk, and ends, at whole steps.
            tolerance = 0.1 if isinstance(small.schedule, Annealed) else 1e-3
            assert _curve(small) == pytest.approx(8 * _curve(large), rel=tolerance)


def _curve(stage: Any) -> Any:
    """Rates at the same places of a stage, whatever its length."""
    length = stage.whole_steps or stage.steps
    return stage.schedule.rates(np.array([0.005, 0.1, 0.5, 0.8, 0.9, 1.0]) * length, length, 1)


@pytest.mark.parametrize("name", NAMES)
def test_steps_keep_their_ratio(name: str) -> None:
    steps = load_scale("tiny").of(name).steps
    factor = Fraction(steps.here, steps.full)
    for full, tiny in zip(whole(name, None).values(), whole(name, "tiny").values(), strict=True):
        for large, small in zip(full.chain.stages, tiny.chain.stages, strict=True):
            # A branch is a trunk and an anneal, each to the nearest step.
            assert small.steps == pytest.approx(float(large.steps * factor), abs=2.01)
            assert small.steps >= 1
    if name == "e0-pile":
        assert whole(name, "tiny")[name].chain.steps == steps.here


@pytest.mark.parametrize("name", NAMES)
def test_shares_stay_and_corpora_are_fetchable(name: str) -> None:
    recipe = at(name, "tiny").recipe
    assert {c.fetch for c in recipe.corpora.values()} <= set(fetchable())
    assert (recipe.model.preset in PRESETS, recipe.model.config) == (True, {})
    for full, tiny in zip(whole(name, None).values(), whole(name, "tiny").values(), strict=True):
        for large, small in zip(full.chain.stages, tiny.chain.stages, strict=True):
            assert small.mixture.replay == large.mixture.replay
            assert small.workers == 1
            (pile,) = [_share(large, "pile")]
            assert float(_share(small, "english")) == pytest.approx(float(pile), abs=1e-3)


def _share(stage: Any, corpus: str) -> Fraction:
    """New data of a corpus. Steps are rounded, so a union's shares move a little."""
    sources = stage.mixture.sources
    return sum((s.weight for s in sources if s.corpus == corpus and not s.replay), Fraction(0))


def test_domains_one_after_another_stay_apart() -> None:
    recipe = at("e11-domain-incremental", "tiny").recipe
    assert len(recipe.corpora) == 8
    assert len({next(iter(stage.mixture)) for stage in recipe.stages}) == 8
    assert list(at("e5-replay-weak", "tiny").recipe.corpora) == ["english", "kernel-docs"]


# ---------------------------------------------------------------- single values


def test_values_by_the_name_of_their_field() -> None:
    def small(field: str, value: Any) -> Any:
        return scaled_field(field, value, FACTORS)

    assert small("steps", 132_366) == 150
    assert small("steps", "132.366k") == 150
    assert small("steps", 3) == 1
    assert small("tokens", "300B") == 300_000_000
    assert small("tokens", 5) == 2048
    assert small("warmup", "1%") == "1%"
    assert small("stop_after", "132366 steps") == "150 steps"
    assert small("stop_after", "50B tokens") == "50000000 tokens"
    assert small("at", ["50%", "2k tokens"]) == ["50%", "2 tokens"]
    assert small("max_lr", "3e-4") == 2.4e-3
    assert small("max_lr", "parent") == "parent"
    assert small("min_lr", "10%") == "10%"
    assert small("replay", "5%") == "5%"
    assert small("replay", {"a": "4%", "b": "1%", "c": "2%"}) == {"x": "0.05", "c": "0.02"}
    assert small("mixture", {"a": 52.09, "c": 26.69, "b": 5.22}) == {"x": "57.31", "c": "26.69"}
    assert small("anneal", {"length": "132366 steps", "min_lr": 3e-5}) == {
        "length": "150 steps",
        "min_lr": 2.4e-4,
    }
    assert small("anneal", None) is None
    assert small("workers", 16) == 1
    assert small("at_end", "repeat") == "repeat"


def test_schedules_by_name_get_rates_of_this_size() -> None:
    assert scaled_field("schedule", "rewarm", FACTORS) == {
        "kind": "cosine",
        "max_lr": 2.4e-3,
        "min_lr": "10%",
        "warmup": "1%",
    }
    assert scaled_field("schedule", "continue", FACTORS) == {"kind": "constant", "max_lr": "parent"}


@given(st.dictionaries(st.sampled_from("abc"), st.decimals("0.001", 90, places=3), min_size=1))
def test_merging_shares_keeps_their_sum(shares: dict[str, Any]) -> None:
    merged = scaled_field("mixture", shares, FACTORS)
    assert sum(map(parse_number, merged.values())) == sum(map(parse_number, shares.values()))
    assert set(merged) == {FACTORS.corpora[name] for name in shares}


@given(st.fractions(1, 10**12), st.sampled_from(["steps", "tokens"]))
def test_lengths_shrink_by_their_factor(value: Fraction, unit: str) -> None:
    small = parse_length(scaled_field("warmup", f"{float(value):.12g} {unit}", FACTORS))
    factor = FACTORS.steps if unit == "steps" else FACTORS.tokens
    assert float(small.value) == pytest.approx(float(value * factor), rel=1e-9)
    assert small.unit == unit


# ---------------------------------------------------------------- files and errors


def _bound(**changes: Any) -> dict[str, Any]:
    corpora = {"pile": {"text": "a"}, "german": {"text": "b"}}
    stages = [
        {"name": name, "steps": 132_366, "schedule": "rewarm", "workers": 8} for name in corpora
    ]
    return recipe_data(corpora=corpora, stages=stages, **changes)


def test_the_recipe_given_is_left_as_it_was() -> None:
    data = _bound(sweep={"german.schedule.max_lr": ["1e-4"], "german.replay": ["5%"]})
    before = yaml.safe_dump(data)
    small = scaled(data, "tiny", WHERE)
    assert yaml.safe_dump(data) == before
    assert small["sweep"] == [{"german.schedule.max_lr": [8e-4], "german.replay": ["5%"]}]
    assert small["stages"][0]["mixture"] == {"english": "100%"}
    assert "mixture" not in small["stages"][1]
    assert yaml.safe_load(yaml.safe_dump(small)) == small


def test_overrides_come_before_the_scale(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, _bound())
    definition = define(path, ["german.steps=264732", "german.replay=5%"], "tiny")
    assert [stage.steps for stage in definition.recipe.stages] == [HERE, 2 * HERE]
    assert definition.recipe.stages[1].replay == Fraction(1, 20)
    assert definition.where == f"{path} --scale tiny"


def test_the_commands_take_a_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_recipe(tmp_path, _bound()))
    with pytest.raises(SystemExit) as done:
        main(["plan", path, "--scale", "tiny", "--json"])
    assert (done.value.code, json.loads(capsys.readouterr().out)["steps"]) == (0, 2 * HERE)
    with pytest.raises(SystemExit) as done:
        main(["steps", path, "--label", "small", "--stage", "german", "--scale", "huge"])
    assert done.value.code == 2
    assert "Known: tiny" in capsys.readouterr().err


def test_a_scale_of_ones_own(tmp_path: Path) -> None:
    data = load_scale("tiny").model_dump() | {"steps": {"full": 132_366, "here": 10}}
    data["recipes"] = {"small": {"bindings": {"german": "sayings"}, "learning_rate": 2}}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**data, "learning_rate": 8}))
    small = scaled(_bound(), str(path), WHERE)
    assert [stage["steps"] for stage in small["stages"]] == [10, 10]
    assert list(small["corpora"]) == ["english", "sayings"]
    assert small["stages"][1]["schedule"]["max_lr"] == 6e-4


def test_fetched_corpora_and_tiny_models_need_no_counterpart() -> None:
    data = _bound()
    data["corpora"]["mine"] = {"fetch": "dictionary", "validation": "1%"}
    assert scaled(data, "tiny", WHERE)["corpora"]["mine"] == data["corpora"]["mine"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"preset": "llama-8b"}}, "no small model for llama-8b"),
        ({"model": {"pretrained": "mine"}}, "presets, and this is a pretrained model"),
        ({"sweep": {"global_batch": [8, 16]}}, r"sweep\.global_batch: scale 'tiny' fixes it"),
        ({"sweep": {"execution.precision": ["float32"]}}, "fixes it"),
        ({"sweep": {"model.preset": ["llama-8b"]}}, "no small model for llama-8b"),
        ({"sweep": {"german.mixture.pile": ["5%"]}}, "Sweep the whole mixture"),
        ({"sweep": {"german.stop_after": ["union"]}}, r"sweep\.german\.stop_after.*not a length"),
        ({"seed": "many"}, "my.yaml: seed"),
    ],
)
def test_recipes_that_have_no_other_size(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scaled({**_bound(), **changes}, "tiny", WHERE)


def test_a_corpus_without_counterpart_is_named() -> None:
    with pytest.raises(InputError, match=r"corpora\.old: scale 'tiny' has no small corpus"):
        scaled(recipe_data(), "tiny", WHERE)


def test_scales_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--scale small: no such scale\. Known: tiny"):
        load_scale("small")
    with pytest.raises(InputError, match="no such file"):
        load_scale(str(tmp_path / "gone.yaml"))
    bad = tmp_path / "bad.yaml"
    bad.write_text("steps: {full: 10, here: 0}\n")
    with pytest.raises(InputError, match=r"bad.yaml: steps\.here"):
        load_scale(str(bad))
    data = load_scale("tiny").model_dump() | {"recipes": {"small": {"learning_rate": "high"}}}
    bad.write_text(yaml.safe_dump({**data, "learning_rate": 8}))
    with pytest.raises(InputError, match=r"recipes\.small"):
        scaled(_bound(), str(bad), WHERE)
