"""A wheel is enough: it holds all of raycl, and a sweep can be submitted from it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import raycl
from tests.helpers.paths import ROOT
from tests.helpers.recipe_data import recipe_data, write_recipe
from tests.helpers.wheel import build_wheel, install_wheel, installed_environment

SUBMIT = """
import json, sys
from pathlib import Path
import raycl
from raycl.cli.jobs import sweep_command
from raycl.cluster.options import ClusterOptions
from raycl.recipe.definition import define
from raycl.submit.package import make_package

recipe = Path("recipe.yaml")
made = make_package(define(recipe), recipe, None, Path.cwd())
made.copy_to(Path(sys.argv[1]))
print(json.dumps({
    "raycl": raycl.__file__,
    "files": sorted(made.files),
    "command": sweep_command(made.recipe, "s3://b/x", made.scale, [], ClusterOptions("auto")),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_wheel(wheel, tmp_path_factory.mktemp("installed"))


def files_of_package() -> set[str]:
    """Every file of raycl in the repository, apart from what Python and editors leave there."""
    package = ROOT / "raycl"
    paths = [file.relative_to(ROOT) for file in package.rglob("*") if file.is_file()]
    return {p.as_posix() for p in paths if "__pycache__" not in p.parts and p.name[0] != "."}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == files_of_package()
    assert {Path(name).suffix for name in held} == {".py", ".yaml", ".html", ".typed"}


def test_the_wheel_says_who_may_use_it_and_how_it_is_started(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = f"raycl-{raycl.__version__}.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
        scripts = archive.read(f"{info}/entry_points.txt").decode()
    assert f"\nVersion: {raycl.__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "\n# raycl\n" in metadata
    assert licence == (ROOT / "LICENSE").read_text()
    assert "raycl = raycl.cli.main:main" in scripts


def test_a_sweep_is_submitted_from_an_installed_wheel(installed: Path, tmp_path: Path) -> None:
    """Far from the repository: the job's folder alone is then enough to run its command."""
    home, job = tmp_path / "home", tmp_path / "job"
    home.mkdir()
    write_recipe(home, recipe_data())
    printed = python("-c", SUBMIT, str(job), cwd=home, environment=installed_environment(installed))
    description = json.loads(printed)
    assert Path(description["raycl"]) == installed / "raycl/__init__.py"
    assert set(description["files"]) == files_of_package() | {"recipe.yaml"}

    interpreter, *words = shlex.split(description["command"])
    assert (interpreter, words[:3]) == ("python", ["-m", "raycl", "sweep"])
    assert words[3:] == ["recipe.yaml", "--storage", "s3://b/x", "--address", "auto"]
    # `plan` reads the same recipe by the same module, and needs no cluster.
    alone = {**os.environ, "PYTHONPATH": ""}
    assert "nodes" in json.loads(
        python(*words[:2], "plan", words[3], "--json", cwd=job, environment=alone)
    )
    found = python("-c", "import raycl; print(raycl.__file__)", cwd=job, environment=alone)
    assert Path(found.strip()) == job / "raycl/__init__.py"


def python(*arguments: str, cwd: Path, environment: dict[str, str]) -> str:
    """Return what Python prints when it is started in a folder."""
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
