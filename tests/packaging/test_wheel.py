"""The sdist makes the wheel, and the wheel is the whole product: all code and all recipes."""

from __future__ import annotations

import re
import tarfile
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

import raycl
from tests.helpers.paths import CONFIGS, ROOT

INFO = f"raycl-{raycl.__version__}.dist-info"
FOR_CONTRIBUTORS = {"test", "lint", "docs", "dist"}


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_string(archive.read(f"{INFO}/METADATA").decode())


def files_below(folder: Path, inside: str) -> set[str]:
    """Every file of a folder, apart from what Python and editors leave there."""
    paths = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    kept = [path for path in paths if "__pycache__" not in path.parts and path.name[0] != "."]
    return {f"{inside}/{path.as_posix()}" for path in kept}


def test_the_wheel_holds_the_package_and_the_recipes_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == files_below(ROOT / "raycl", "raycl") | files_below(CONFIGS, "raycl/configs")
    assert {Path(name).suffix for name in held} == {
        *(".py", ".yaml", ".json", ".typed", ".md"),
        *(".html", ".css", ".js"),  # the page
    }


def test_the_recipes_in_the_wheel_are_those_of_the_repository(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for file in CONFIGS.rglob("*.yaml"):
            inside = f"raycl/configs/{file.relative_to(CONFIGS).as_posix()}"
            assert archive.read(inside) == file.read_bytes()


def test_the_sdist_holds_what_makes_the_wheel_and_no_tests(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [member.name.partition("/")[2] for member in archive if member.isfile()]
    held = {name for name in names if ".egg-info/" not in name}
    own = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg", "setup.py"}
    code = files_below(ROOT / "raycl", "raycl") | files_below(CONFIGS, "configs")
    assert held == own | code


def test_the_wheel_says_who_may_use_it_and_how_it_is_started(
    wheel: Path, metadata: Message
) -> None:
    assert metadata["Version"] == raycl.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert str(metadata.get_payload()).startswith("# raycl\n")
    with zipfile.ZipFile(wheel) as archive:
        licence = archive.read(f"{INFO}/licenses/LICENSE").decode()
        scripts = archive.read(f"{INFO}/entry_points.txt").decode()
    assert licence == (ROOT / "LICENSE").read_text()
    assert "raycl = raycl.cli.main:main" in scripts


def test_the_wheel_names_the_pythons_that_it_is_for(metadata: Message) -> None:
    assert metadata["Requires-Python"] == ">=3.11"
    classifiers = metadata.get_all("Classifier", [])
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(classifiers))
    assert pythons == ["3.11", "3.12", "3.13"]


def test_the_wheel_has_an_extra_for_each_thing_that_users_may_add(metadata: Message) -> None:
    extras = set(metadata.get_all("Provides-Extra", []))
    assert {"s3", "evaluation", "hub", "lora", "flash", "dashboards"} <= extras - FOR_CONTRIBUTORS


def test_a_library_is_asked_for_in_the_same_versions_by_every_extra() -> None:
    """`how_to_install` names a library, and not the extra that brings it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = {line for lines in (project["dependencies"], *extras) for line in lines}
    names = [re.split(r"[\[<>=!~ ]", line)[0].lower().replace("_", "-") for line in wanted]
    assert sorted(names) == sorted(set(names))
