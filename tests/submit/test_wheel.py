"""A wheel is enough to submit a sweep, of a recipe of one's own or of raycl's."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.paths import CONFIGS, ROOT
from tests.helpers.recipe_data import recipe_data, write_recipe
from tests.helpers.wheel import install_wheel, installed_environment

SUBMIT = """
import json, sys
from pathlib import Path
import raycl
from raycl.cli.jobs import sweep_command
from raycl.cluster.options import ClusterOptions
from raycl.recipe.definition import define
from raycl.submit.package import make_package

recipe = Path(sys.argv[2])
made = make_package(define(recipe), recipe, None, Path.cwd())
made.copy_to(Path(sys.argv[1]))
print(json.dumps({
    "raycl": raycl.__file__,
    "files": sorted(made.files),
    "command": sweep_command(made, "s3://b/x", [], ClusterOptions("auto")),
}))
"""


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_wheel(wheel, tmp_path_factory.mktemp("installed"))


def files_of_package() -> set[str]:
    """Every file of raycl and of its recipes that a job needs, as the wheel holds them."""
    package = [file.relative_to(ROOT) for file in (ROOT / "raycl").rglob("*") if file.is_file()]
    recipes = [file.relative_to(ROOT) for file in CONFIGS.rglob("*.yaml")]
    paths = [path for path in package if "__pycache__" not in path.parts and path.name[0] != "."]
    return {path.as_posix() for path in paths} | {f"raycl/{path.as_posix()}" for path in recipes}


def test_a_sweep_is_submitted_from_an_installed_wheel(installed: Path, tmp_path: Path) -> None:
    """Far from the repository: the job's folder alone is then enough to run its command."""
    home, job = tmp_path / "home", tmp_path / "job"
    home.mkdir()
    write_recipe(home, recipe_data())
    description = submitted(installed, home, job, "recipe.yaml")
    assert Path(description["raycl"]) == installed / "raycl/__init__.py"
    assert set(description["files"]) == files_of_package() | {"recipe.yaml"}

    interpreter, *words = shlex.split(description["command"])
    assert (interpreter, words[:3]) == ("python", ["-m", "raycl", "sweep"])
    place = ["--storage", "s3://b/x", "--address", "auto"]
    assert words[3:] == ["recipe.yaml", *place, "--owner", getpass.getuser()]
    # `plan` reads the same recipe by the same module, and needs no cluster.
    alone = {**os.environ, "PYTHONPATH": ""}
    assert "nodes" in json.loads(
        python(*words[:2], "plan", words[3], "--json", cwd=job, environment=alone)
    )
    found = python("-c", "import raycl; print(raycl.__file__)", cwd=job, environment=alone)
    assert Path(found.strip()) == job / "raycl/__init__.py"


def test_a_recipe_of_raycl_is_submitted_by_its_name(installed: Path, tmp_path: Path) -> None:
    home, job = tmp_path / "home", tmp_path / "job"
    home.mkdir()
    description = submitted(installed, home, job, "quickstart")
    assert set(description["files"]) == files_of_package()
    words = shlex.split(description["command"])
    assert words[words.index("sweep") + 1] == "quickstart"
    alone = {**os.environ, "PYTHONPATH": ""}
    planned = python("-m", "raycl", "plan", "quickstart", "--json", cwd=job, environment=alone)
    assert json.loads(planned)["steps"] == 720


def submitted(installed: Path, home: Path, job: Path, recipe: str) -> dict[str, Any]:
    """What `raycl submit` would send from a folder; its files are written into another."""
    environment = installed_environment(installed)
    printed = python("-c", SUBMIT, str(job), recipe, cwd=home, environment=environment)
    description: dict[str, Any] = json.loads(printed)
    return description


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
