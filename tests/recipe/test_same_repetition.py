"""A pilot that repeats its corpora as often as the run that it stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.recipe.definition import corpus_facts, definition_of, trainings
from raycl.recipe.same_repetition import Pilot, Scaling, pilot_texts, pilots
from raycl.recipe.scale import scaled, scaling
from raycl.storage import Storage
from tests.helpers import fakes
from tests.helpers.recipe_data import SCHEDULE, WHERE, recipe_data

ROWS = 400
SCALE = {
    "steps": {"full": 100, "here": 10},
    "learning_rate": 1,
    "models": {"gpt-neox-tiny": "gpt-neox-tiny"},
    "fields": {"sequence_length": 16, "global_batch": 4, "validation": {"rows": 4}},
    "corpora": {},
    "bindings": {"old": "old", "new": "new"},
}
"""A tenth of the steps, of half the rows: a twentieth of the tokens."""


def _data() -> dict[str, Any]:
    """The stage `old` reads 1,600 rows, four times its corpus, and `new` a quarter of its own."""
    stages = [
        {"name": "old", "steps": 200, "schedule": SCHEDULE, "at_end": "repeat"},
        {"name": "new", "steps": 12, "schedule": SCHEDULE, "at_end": "repeat"},
    ]
    return recipe_data(stages=stages)


def _scale(tmp_path: Path, **changes: object) -> str:
    path = tmp_path / "pilot.yaml"
    path.write_text(yaml.safe_dump({**SCALE, **changes}))
    return str(path)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = Storage(tmp_path_factory.mktemp("storage"))
    for name in ("old", "new"):
        fakes.make_corpus(storage, name, rows=ROWS)
    return storage


def _pilots(data: Mapping[str, Any], scale: str, storage: Storage) -> tuple[list[Pilot], Scaling]:
    definition = definition_of(scaled(data, scale, WHERE), WHERE)
    made = trainings(definition, corpus_facts(definition, storage))
    tokens = dict.fromkeys(("old", "new"), ROWS * 16)
    what = scaling(data, scale, WHERE)
    return pilots([training.chain for training in made.values()], what, tokens), what


def test_a_pilot_on_the_whole_corpora_repeats_less(tmp_path: Path, storage: Storage) -> None:
    found, what = _pilots(_data(), _scale(tmp_path), storage)
    assert found == [Pilot("old", "old", 0.2, 4.0), Pilot("new", "new", 0.01, 0.2)]
    (said,) = pilot_texts(found, what)
    assert said.startswith(
        "The pilot reads old 0.2 times by the end of stage old, the full run 4 times"
    )


def test_a_pilot_on_samples_repeats_as_often(tmp_path: Path, storage: Storage) -> None:
    found, what = _pilots(_data(), _scale(tmp_path, repetition="same"), storage)
    assert [(one.here, one.full) for one in found] == [(4.0, 4.0), (0.2, 0.2)]
    assert pilot_texts(found, what) == []


def test_a_corpus_is_cut_by_the_factor_of_the_tokens(tmp_path: Path) -> None:
    small = scaled(_data(), _scale(tmp_path, repetition="same"), WHERE)
    assert {corpus["sample"] for corpus in small["corpora"].values()} == {"5%"}
    data = _data()
    data["corpora"]["old"] = {"text": "old.jsonl", "sample": "20%"}
    data["corpora"]["new"] = {"text": "new.jsonl", "sample": "640 tokens"}
    small = scaled(data, _scale(tmp_path, repetition="same"), WHERE)
    assert [small["corpora"][name]["sample"] for name in ("old", "new")] == ["1%", "32 tokens"]


def test_a_corpus_cannot_grow(tmp_path: Path) -> None:
    larger = _scale(tmp_path, steps={"full": 10, "here": 100}, repetition="same")
    message = "repetition: old would be 5 times as large as it is.*Give a smaller steps.here"
    with pytest.raises(InputError, match=message):
        scaled(_data(), larger, WHERE)


def test_a_corpus_in_the_place_of_others_gets_their_tokens_by_the_factor(tmp_path: Path) -> None:
    changes = {
        "bindings": {"old": "english", "new": "english"},
        "corpora": {"english": {"fetch": "english"}},
        "repetition": "same",
    }
    with pytest.raises(
        InputError, match=r"takes the place of old, new.*full_tokens: \{old: 300B\}"
    ):
        scaled(_data(), _scale(tmp_path, **changes), WHERE)
    full = {"old": "4k", "new": "2k"}
    small = scaled(_data(), _scale(tmp_path, **changes, full_tokens=full), WHERE)
    assert small["corpora"]["english"]["sample"] == "300 tokens"


def test_a_corpus_of_the_scale_under_a_name_of_the_recipe_is_another_one(tmp_path: Path) -> None:
    scale = _scale(tmp_path, corpora={"old": {"text": "small.jsonl"}})
    what = scaling(_data(), scale, WHERE).corpora
    assert (what["old"].own, what["new"].own) == (False, True)


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    scale = _scale(tmp_path, corpora={"old": {"text": "small.jsonl"}})
    what = scaling(_data(), scale, WHERE)
    assert what.tokens == Fraction(1, 20)
    assert what.corpora["new"].all_tokens(None) is None
    found = [Pilot("old", "old", 0.1, None), Pilot("new", "new", None, None)]
    assert pilot_texts(found, what) == [
        "How often the pilot repeats new is known when the text is prepared.",
        "How often the full run repeats old is not known: give the training tokens in the scale "
        "file, as full_tokens.",
    ]


@pytest.mark.parametrize(
    ("here", "full", "apart"),
    [(0.1, 3.2, True), (0.1, 0.9, False), (1.2, 1.6, False), (3.2, 1.0, True), (None, 3.2, False)],
)
def test_what_counts_is_repetition(here: float | None, full: float, apart: bool) -> None:
    assert Pilot("s", "c", here, full).is_apart is apart


def test_plan_shows_both(
    tmp_path: Path, storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "my.yaml"
    recipe.write_text(json.dumps(_data()))
    words = ["plan", str(recipe), "--storage", storage.url, "--scale", _scale(tmp_path)]
    with pytest.raises(SystemExit, match="0"):
        main(words)
    shown = capsys.readouterr().out
    assert "read by the end of" in shown
    assert "The pilot reads old 0.2 times" in shown
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--json"])
    (old, _) = json.loads(capsys.readouterr().out)["repetition"]
    assert old == {"stage": "old", "corpus": "old", "here": 0.2, "full": 4.0}
