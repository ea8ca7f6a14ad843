"""`raycl advise` on a stored sweep: words, JSON, the page, Python, and its next command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

import raycl
from raycl.cli.main import main
from raycl.recipe.definition import define
from raycl.storage import Storage
from tests.helpers.finished_sweep import NAME, finished_sweep


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return finished_sweep(tmp_path_factory.mktemp("storage"))


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["advise", *words])
    assert not end.value.code, capsys.readouterr().err
    return capsys.readouterr().out


def test_it_is_said_in_the_terminal_on_the_page_and_in_python(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    advice = raycl.load(storage.url).advice
    assert advice.headline.startswith("Use replay ")
    said = printed(capsys, storage.url)
    assert advice.headline in " ".join(said.split())
    assert all(point.title in said for point in advice.points)
    assert said.rstrip().endswith(advice.command)
    page = storage.read_bytes(f"sweeps/{NAME}/report.html").decode()
    assert "average loss" in page
    assert "How certain this is" in page
    assert json.loads(printed(capsys, storage.url, "--json"))["headline"] == advice.headline


def test_the_next_command_plans_on_the_stored_recipe(storage: Storage) -> None:
    # Two settings of one seed that noise does not tell apart, or a clear edge: both are sweeps.
    words = shlex.split(raycl.load(storage.url).advice.command)
    assert words[:2] == ["raycl", "sweep"]
    made = define(Path(words[2]), words[words.index("--set") + 1 :])
    assert made.recipe.name == NAME
    assert len(made.variants) > 2


def test_what_it_cannot_advise_on_is_told(
    storage: Storage,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAYCL_STORAGE", raising=False)
    for words, problem in (
        ([], "no storage"),
        ([str(tmp_path)], "no sweep here"),
        ([storage.url, "--sweep", "x"], "no sweep 'x'"),
        ([storage.url, "--objective", "french"], "no recipe has a number of this name"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["advise", *words])
        assert end.value.code == 2
        assert problem in capsys.readouterr().err
