"""raycl as a wheel, built from the repository and installed into a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.helpers.paths import ROOT

_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "raycl")


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy, so that the repository gets no build folder.

    It is built with the environment's own setuptools: no network is needed.
    """
    source = folder / "source"
    source.mkdir(parents=True)
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    _pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    return next(folder.glob("raycl-*.whl"))


def install_wheel(wheel: Path, folder: Path) -> Path:
    """Install a wheel, without its dependencies, into a folder that PYTHONPATH can name."""
    _pip("install", "--target", str(folder), str(wheel))
    return folder


def installed_environment(folder: Path) -> dict[str, str]:
    """Return the environment in which `import raycl` finds the folder, not the repository."""
    return {**os.environ, "PYTHONPATH": str(folder)}


def _pip(command: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--no-deps", "--no-index", *arguments],
        check=True,
        cwd="/",
        capture_output=True,
        timeout=300,
    )
