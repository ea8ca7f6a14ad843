"""The recipes that come with raycl go by their names; files win, and what is unknown is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from raycl.cli.main import app
from raycl.errors import InputError
from raycl.recipe.definition import define
from raycl.recipe.packaged import (
    find_recipe,
    recipe_file,
    recipe_folder,
    recipe_names,
    recipe_summary,
)
from tests.helpers.paths import CONFIGS

NAMES = sorted(file.relative_to(CONFIGS).as_posix()[:-5] for file in CONFIGS.rglob("*.yaml"))


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_in_a_repository_they_are_those_of_configs() -> None:
    assert recipe_folder() == CONFIGS
    assert sorted(recipe_names()) == NAMES


def test_they_are_listed_by_their_numbers() -> None:
    names = recipe_names()
    assert names[:3] == ["pretrained", "quickstart", "paper/e0-pile"]
    assert names.index("paper/e2-union-weak") < names.index("paper/e10-infinite-stages")


@pytest.mark.parametrize("name", NAMES)
def test_each_goes_by_its_whole_name_and_by_its_last_part(name: str) -> None:
    for word in (name, name.rpartition("/")[2]):
        found = find_recipe(Path(word))
        assert (found.file, found.where, found.is_named) == (recipe_file(name), name, True)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("paper/e5", "paper/e5-replay-weak"),
        ("e5", "paper/e5-replay-weak"),
        ("e10", "paper/e10-infinite-stages"),
        ("paper/g1", "paper/g1-gupta"),
        ("paper/e6-replay", "paper/e6-replay-strong"),
        ("e3-warmup-s", None),  # in the middle of a word
        ("e", None),
        ("paper/e", None),
    ],
)
def test_a_short_name_ends_where_a_part_does(word: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(InputError, match="no recipe of this name"):
            find_recipe(Path(word))
    else:
        assert find_recipe(Path(word)).where == name


@pytest.mark.parametrize("word", ["paper/e1", "e1", "paper", "e13-merge"])
def test_a_name_of_several_is_refused_with_all_of_them(word: str) -> None:
    with pytest.raises(InputError, match="several recipes") as caught:
        find_recipe(Path(word))
    meant = [name for name in NAMES if f"/{word}-" in f"/{name}" or name.startswith(f"{word}/")]
    assert len(meant) > 1
    assert sorted(caught.value.remedy.removeprefix("Give ").split(", ")) == sorted(meant)


def test_a_file_wins_over_a_name(tmp_path: Path) -> None:
    text = recipe_file("quickstart").read_text().replace("name: quickstart", "name: mine")
    (tmp_path / "quickstart").write_text(text)
    found = find_recipe(Path("quickstart"))
    assert (found.file, found.where, found.is_named) == (Path("quickstart"), "quickstart", False)
    assert define(Path("quickstart")).recipe.name == "mine"


def test_a_folder_does_not_hide_a_name(tmp_path: Path) -> None:
    (tmp_path / "quickstart").mkdir()
    assert find_recipe(Path("quickstart")).is_named
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="a folder, not a file"):
        define(Path("other"))


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("quickstrat", "quickstart"),
        ("quickstart.yaml", "quickstart"),
        ("configs/quickstart.yaml", "quickstart"),
        ("configs/paper/e5-replay-weak.yaml", "paper/e5-replay-weak"),
        ("pretraind", "pretrained"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(word: str, near: str) -> None:
    with pytest.raises(InputError, match="no such file") as caught:
        find_recipe(Path(word))
    assert f"Did you mean {near!r}?" in caught.value.remedy
    assert "`raycl recipes`" in caught.value.remedy


def test_an_unknown_name_of_the_paper_is_refused_with_its_recipes() -> None:
    with pytest.raises(InputError) as caught:
        find_recipe(Path("paper/f7"))
    paper = [name for name in NAMES if name.startswith("paper/")]
    assert [name for name in paper if name not in caught.value.remedy] == []


def test_errors_and_results_call_a_recipe_by_its_name() -> None:
    assert define(Path("e5")).where == "paper/e5-replay-weak"
    assert define(Path("e5"), (), "tiny").where == "paper/e5-replay-weak --scale tiny"
    with pytest.raises(InputError, match=r"^quickstart: seed"):
        define(Path("quickstart"), ("seed=x",))


@pytest.mark.parametrize("name", NAMES)
def test_each_begins_with_a_sentence_that_says_what_it_is(name: str) -> None:
    summary = recipe_summary(name)
    assert summary
    assert summary[-1] in ".?"
    assert len(summary) < 200


def test_the_command_lists_them_and_prints_one() -> None:
    listed = CliRunner().invoke(app, ["recipes"])
    assert listed.exit_code == 0
    lines = listed.stdout.splitlines()
    assert [line.split()[0] for line in lines] == recipe_names()
    assert all(recipe_summary(line.split()[0]) in line for line in lines)
    printed = CliRunner().invoke(app, ["recipes", "paper/e5"])
    assert printed.stdout == recipe_file("paper/e5-replay-weak").read_text()
