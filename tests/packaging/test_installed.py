"""The wheel in a new environment, in an empty folder, far from any clone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.paths import CONFIGS
from tests.helpers.wheel import Environment, new_environment

pytestmark = pytest.mark.slow
COMMANDS = {
    "--help": "raycl quickstart",
    "quickstart --help": "--storage",
    "schema": '"$defs"',
    "recipes": "paper/e5-replay-weak",
    "recipes quickstart": "name: quickstart",
    "plan quickstart": "steps trained",
    "plan paper/e5": "steps trained",
    "plan e5 --scale tiny": "steps trained",
}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return new_environment(wheel, tmp_path_factory.mktemp("new"))


def test_the_environment_has_the_wheel_and_not_the_clone(installed: Environment) -> None:
    code, out, _ = installed.run("python", "-c", "import raycl; print(raycl.__file__)")
    assert code == 0
    assert Path(out.strip()).is_relative_to(installed.folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_needs_no_cluster(installed: Environment, command: str) -> None:
    code, out, err = installed.run("raycl", *command.split())
    assert code == 0, err
    assert COMMANDS[command] in out
    assert list(installed.home.iterdir()) == []  # nothing is left in the user's folder


def test_a_printed_recipe_is_planned_like_the_one_in_the_package(installed: Environment) -> None:
    text = installed.run("raycl", "recipes", "quickstart")[1]
    assert text == (CONFIGS / "quickstart.yaml").read_text()
    (installed.home / "my.yaml").write_text(text)
    words = ("my.yaml", "quickstart")
    mine, theirs = (installed.run("raycl", "plan", word, "--json")[1] for word in words)
    (installed.home / "my.yaml").unlink()
    assert json.loads(mine) == json.loads(theirs)


def test_the_experiments_of_the_paper_are_found(installed: Environment) -> None:
    """Without a cluster: an experiment that is unknown is refused with those that are known."""
    code, _, err = installed.run("raycl", "reproduce", "--storage", "s", "--only", "f7")
    assert code == 2
    assert "e5-replay-weak" in err
    assert not (installed.home / "s").exists()


def test_what_is_missing_is_named_with_a_remedy(installed: Environment) -> None:
    code, _, err = installed.run("raycl", "plan", "quikstart")
    assert code == 2
    assert "Did you mean 'quickstart'?" in err
