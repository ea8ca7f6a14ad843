"""Malformed and odd recipes: each is one sentence with its place, and nothing else happens."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.recipe import read_yaml
from raycl.recipe.definition import define
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.recipe.yaml import parse_document
from tests.helpers.odd_yaml import (
    FIXED,
    MALFORMED,
    NEXT,
    RECIPE,
    UNUSABLE,
    added,
    replaced,
)


def refused(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The one sentence with which `raycl plan` refuses the recipe, within seconds."""
    began = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(path), *options])
    assert time.monotonic() - began < 5
    captured = capsys.readouterr()
    assert (ended.value.code, captured.out) == (2, "")
    assert captured.err.startswith(f"error: {path}")
    assert len(captured.err) < 1500 + len(str(path))
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("odd", MALFORMED)
def test_malformed_files(odd: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, parts = MALFORMED[odd]
    path = tmp_path / "r.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused(path, capsys)
    for part in parts:
        assert part in message
    assert os.listdir(tmp_path) == ["r.yaml"]


@pytest.mark.parametrize("odd", UNUSABLE)
def test_fields_that_cannot_be(
    odd: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, parts = UNUSABLE[odd]
    path = tmp_path / "r.yaml"
    path.write_text(content, encoding="utf-8")
    message = refused(path, capsys)
    for part in parts:
        assert part in message


@pytest.mark.parametrize("field", FIXED)
def test_fields_that_cannot_be_swept(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(added(f"sweep: {{{field}: {FIXED[field]}}}"), encoding="utf-8")
    assert f"sweep.{field}: cannot be swept: " in refused(path, capsys)


def test_precision_can_be_swept(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(added("sweep: {execution.precision: [float32, bfloat16]}"), encoding="utf-8")
    plan = plan_sweeps((define(path),), None)
    ends = {training.chain.name(44) for training in plan.sweeps[0].trainings.values()}
    assert len(ends) == 2


def test_equal_rows_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is replayed, it does not matter what would be."""
    path = tmp_path / "r.yaml"
    grid = "sweep: {new.replay: [0%, 5%], new.replay_from: [seen, all]}"
    path.write_text(added(grid), encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["plan", str(path)])
    out = capsys.readouterr().out
    assert "equal rows in the results: replay 0%, replay_from seen; replay 0%, replay_from a" in out
    path.write_text(added("sweep: {new.replay: [0%, 5%]}"), encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["plan", str(path)])
    assert "equal rows" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "loop", "below a file"])
def test_paths_that_are_no_file(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)  # nobody writes into it: opening it would wait for ever
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "below a file":
        path.write_text(RECIPE, encoding="utf-8")
        path = path / "recipe.yaml"
    refused(path, capsys)


ACCEPTED = {
    "a mark at the beginning": (f"\ufeff{RECIPE}", {}),
    "Windows' line ends": (RECIPE.replace("\n", "\r\n"), {}),
    "digits in groups": (replaced("steps: 20", "steps: 2_0"), {"old": 20}),
    "an exponent": (replaced("steps: 20", "steps: 2e1"), {"old": 20}),
    "a suffix": (replaced("steps: 20", "steps: 0.02k"), {"old": 20}),
    "quoted": (replaced("steps: 20", "steps: '0020'"), {"old": 20}),
    "no leading zero": (replaced("replay: 25%", "replay: .25"), {"new": 24}),
    "yes for a flag": (added("execution: {compile: yes}"), {}),
    "an alias": (replaced("{kind: cosine, max_lr: 2e-3, warmup: 5%}", "&s rewarm"), {}),
    "a version of YAML": (f"%YAML 1.2\n---\n{RECIPE}...\n", {}),
}


@pytest.mark.parametrize("written", ACCEPTED)
def test_what_means_one_thing_is_read(written: str, tmp_path: Path) -> None:
    text, steps = ACCEPTED[written]
    path = tmp_path / "r.yaml"
    path.write_bytes(text.encode())
    recipe = define(path).recipe
    assert {"old": 20, "new": 24} | steps == {s.name: s.steps for s in recipe.stages}


def test_merged_mappings() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {x: 4, <<: *a}\n"
    data = parse_document(text, "m.yaml").data
    assert data["c"] == {"x": 3, "y": 1, "z": 2}
    assert data["d"] == {"x": 4, "y": 1}
    assert data["a"] == {"x": 1, "y": 1}


def test_exponents_in_the_model_are_numbers(tmp_path: Path) -> None:
    """YAML takes 1e-5 for text, and a model needs the number."""
    path = tmp_path / "r.yaml"
    config = "{preset: gpt-neox-tiny, config: {layer_norm_eps: 1e-5, a: {b: [1E+3, x1e5]}}}"
    path.write_text(replaced("{preset: gpt-neox-tiny}", config), encoding="utf-8")
    assert define(path).recipe.model.config == {
        "layer_norm_eps": 1e-5,
        "a": {"b": (1000.0, "x1e5")},
    }


def test_lines_hold_where_an_override_changes_another_field(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(replaced("steps: 24", "steps: -24"), encoding="utf-8")
    with pytest.raises(InputError, match=r"r\.yaml:12: stages\.1\.steps is -24"):
        define(path, ["seed=3"])
    with pytest.raises(InputError, match=r"r\.yaml: stages\.1\.steps is -25"):
        define(path, ["new.steps=-25"])


OVERRIDES = [
    ("seed=0100", "0100 as 64"),
    ("seed={a: 1, a: 2}", "twice"),
    ("seed=!!int x", "does not fit"),
    ("seed=" + "[" * 200, "40 levels"),
    ("seed=\udcff", "not readable as YAML"),
    ("model.config.\udcff=1", "no text"),
    ("new.schedule.max_lr=150%", "a share"),
    ("name=no", "true or false|valid string"),
    ("x" * 100_000 + "=1", "characters"),
    ("new." + "x" * 100_000 + "=1", "characters"),
    ("stages.1.steps=3", "new.steps"),
]


@pytest.mark.parametrize(("override", "words"), OVERRIDES)
def test_odd_overrides(override: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        define(path, [override])
    assert re.search(words, str(caught.value))
    assert len(str(caught.value)) < 1500 + len(str(path))
    assert caught.value.remedy


def test_reading_builds_nothing_that_is_shared(tmp_path: Path) -> None:
    """An alias becomes a copy: changing one place would otherwise change the other."""
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {x: [1]}\nb: *a\n", encoding="utf-8")
    data = read_yaml(path)
    assert data["a"] == data["b"]
    assert data["a"]["x"] is not data["b"]["x"]


def test_the_line_of_the_recipe_counts_from_one() -> None:
    assert RECIPE.splitlines()[NEXT - 2] == "validation: {rows: 4}"
