"""What a TAB offers: names from the storage or the recipe of the line; nothing after an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.cli.main import app
from raycl.states.tree_record import NodeRecord, write_tree_record
from raycl.storage import Storage
from tests.helpers.recipe_data import recipe_data, write_recipe

STATES = [f"{steps:09d}-{digit * 40}" for steps, digit in ((4, "a"), (8, "b"), (12, "c"))]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """Two sweeps, two complete states, and a state that is not complete."""
    place = Storage(tmp_path / "runs")
    for sweep, labels in {"one": ("replay 0%", "replay 50%"), "two": ("it's $HOME",)}.items():
        node = NodeRecord(
            name=STATES[0], parent=None, stage="a", steps=4, first_step=0, recipes=labels
        )
        write_tree_record(place, sweep, [node])
    for state in STATES[:2]:
        place.write_bytes(f"states/{state}/state.json", b"{}")
    place.write_bytes(f"states/{STATES[2]}/weights", b"")
    return place


def offered(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *words: Any,
    after: tuple[Any, ...] = (),
) -> list[str]:
    """What bash is offered for the last word, with other words behind the cursor."""
    line = ["raycl", *map(str, (*words, *after))]
    monkeypatch.setenv("COMP_WORDS", "\n".join(line))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    monkeypatch.setenv("_RAYCL_COMPLETE", "complete_bash")
    with pytest.raises(SystemExit) as ended:
        app([], prog_name="raycl")
    said = capsys.readouterr()
    assert (ended.value.code or 0, said.err) == (0, "")
    return [line for line in said.out.split("\n") if line]


def test_names_of_a_storage(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RAYCL_STORAGE", raising=False)

    def tab(*words: Any, after: tuple[Any, ...] = ()) -> list[str]:
        return offered(monkeypatch, capsys, *words, after=after)

    place = ("--storage", storage.url)
    assert tab("report", *place, "--sweep", "") == ["one", "two"]
    assert tab("status", *place, "--sweep", "t") == ["two"]
    labels = [r"replay\ 0%", r"replay\ 50%"]
    assert tab("extend", *place, "--label", "rep") == labels
    assert tab("extend", *place, "--label", r"replay\ 5") == labels[1:]
    assert tab("extend", *place, "--label", "'replay 5") == ["replay 50%"]
    assert tab("extend", *place, "--sweep", "two", "--label", "") == [r"it\'s\ \$HOME", "best"]
    assert tab("extend", "--label", "replay", after=place) == labels
    assert tab("evaluate", *place, "b") == ["best"]
    assert tab("generate", *place, "00000000") == STATES[:2]
    assert tab("merge", *place, "best", STATES[0], "000000008") == STATES[1:2]
    assert tab("models", "add", *place, "00000000") == STATES[:2]
    monkeypatch.setenv("RAYCL_STORAGE", storage.url)
    assert tab("export", "replay") == labels


def test_names_of_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, recipe_data(sweep={"new.replay": ["0%", "25%"]}))
    labels = offered(monkeypatch, capsys, "steps", recipe, "--label", "")
    assert labels == [r"replay\ 0%", r"replay\ 25%"]
    assert offered(monkeypatch, capsys, "steps", recipe, "--stage", "n") == ["new"]


def test_errors_are_silent(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RAYCL_STORAGE", raising=False)
    storage.write_bytes("sweeps/one/tree.json", b"{")
    (Path(storage.url) / "bad.yaml").write_text("[")
    for words in (
        ("extend", "--label", "re"),
        ("extend", "--storage", "nowhere", "--label", "re"),
        ("extend", "--storage", "s3://no-such-bucket/x", "--label", "re"),
        ("extend", "--storage", storage.url, "--label", "re"),
        ("steps", f"{storage.url}/bad.yaml", "--label", "re"),
    ):
        assert offered(monkeypatch, capsys, *words) == []
