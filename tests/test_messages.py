"""What raycl says is true in a clone and in an environment that has only the wheel.

No message names a file that the wheel lacks. What is to be installed is named by one helper.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest
import typer

from raycl.cli.main import app
from raycl.libraries import how_to_install
from raycl.sweep.tracking.registry import TRACKERS
from tests.helpers.paths import ROOT

MODULES = {
    file.relative_to(ROOT).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
    for file in sorted((ROOT / "raycl").rglob("*.py"))
}
ONLY_IN_A_CLONE = re.compile(
    r"\b(configs|docs|jobs|tests|benchmarks|kubernetes)/|CONTRIBUTING|README|CHANGELOG|Makefile"
)
WRITTEN = {
    "docs/reproduction.md",  # by `raycl reproduce`
    "README.md",  # by `raycl export`: a model card
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FOR_CONTRIBUTORS = ("test", "lint", "docs", "dist")


def texts(tree: ast.Module) -> Iterator[str]:
    """Every text of a module that is no docstring; an f-string's parts are texts of their own."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def helps(command: Any, path: str = "raycl") -> Iterator[tuple[str, str]]:
    """The help of a command, of its options and of the commands below it."""
    yield path, command.help or ""
    for parameter in command.params:
        yield f"{path} {parameter.name}", getattr(parameter, "help", None) or ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from helps(inner, f"{path} {name}")


def test_no_message_names_a_file_that_only_a_clone_has() -> None:
    named = {
        f"{module}: {text}"
        for module, tree in MODULES.items()
        for text in texts(tree)
        if ONLY_IN_A_CLONE.search(text) and text not in WRITTEN
    }
    assert named == set()


def test_no_help_names_a_file_that_only_a_clone_has() -> None:
    found = dict(helps(typer.main.get_command(app)))
    assert len(found) > 100
    assert {place for place, text in found.items() if ONLY_IN_A_CLONE.search(text)} == set()


def test_no_recipe_of_the_package_names_a_file_that_only_a_clone_has() -> None:
    recipes = {file.name: file.read_text() for file in (ROOT / "configs").rglob("*.yaml")}
    assert {name for name, text in recipes.items() if ONLY_IN_A_CLONE.search(text)} == set()


def test_only_the_helper_says_how_to_install_something() -> None:
    spelled = [
        module
        for module, tree in MODULES.items()
        if any("pip install" in text for text in texts(tree))
    ]
    assert spelled == []


def told_to_install() -> set[str]:
    """Every library that a message of raycl tells to install."""
    found = set()
    for tree in MODULES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "how_to_install":
                spelled = [each for each in node.args if not isinstance(each, ast.Starred)]
                found |= {ast.literal_eval(argument) for argument in spelled}
    return found.union(*(kind.packages.values() for kind in TRACKERS.values()))


def for_users() -> dict[str, str]:
    """Library -> its requirement, of every extra for users."""
    extras = PROJECT["optional-dependencies"]
    lines = [line for name in extras if name not in FOR_CONTRIBUTORS for line in extras[name]]
    return {re.split(r"[<>=!~]", line)[0]: line for line in lines}


def test_what_a_message_tells_to_install_is_in_an_extra_for_users() -> None:
    assert {"boto3", "datasets", "lm_eval", "peft"} <= told_to_install()
    assert told_to_install() - set(for_users()) == set()


@pytest.mark.parametrize("library", sorted(told_to_install()))
def test_a_library_is_named_in_the_versions_of_the_metadata(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f'{line}; extra == "any"' for line in for_users().values()]
    monkeypatch.setattr("raycl.libraries.requires", lambda _: [*lines, "numpy>=2"])
    command = how_to_install(library).split(" ", 2)
    assert command[:2] == ["pip", "install"]
    assert command[2].strip("'") == for_users()[library]


def test_several_libraries_are_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raycl.libraries.requires", lambda _: ["Py_Boto>=1,<2; extra == 's3'"])
    assert how_to_install("py-boto", "other") == "pip install 'py-boto<2,>=1' other"


def test_without_metadata_a_library_is_named_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("raycl.libraries.requires", requires)
    assert how_to_install("boto3") == "pip install boto3"
