"""raycl as users get it: an sdist, a wheel made of it, and a new environment that has the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.paths import ROOT

_SOURCES = (
    "pyproject.toml",
    "setup.py",
    "README.md",
    "LICENSE",
    "raycl",
    "configs",
    "jobs",
    "tests/helpers",
)


def build_sdist(folder: Path) -> Path:
    """Build the sdist from a copy, so that the repository gets no build folder.

    The hook is what `python -m build` calls. It runs in the environment's own setuptools, so that
    no network is needed.
    """
    source = folder / "source"
    for name in _SOURCES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    hook = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    _python("-c", hook, str(folder), cwd=source)
    return next(folder.glob("raycl-*.tar.gz"))


def build_wheel(sdist: Path, folder: Path) -> Path:
    """Build the wheel from an sdist alone."""
    _pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(sdist))
    return next(folder.glob("raycl-*.whl"))


def install_wheel(wheel: Path, folder: Path) -> Path:
    """Install a wheel, without its dependencies, into a folder that PYTHONPATH can name."""
    _pip("install", "--target", str(folder), str(wheel))
    return folder


def installed_environment(folder: Path) -> dict[str, str]:
    """Return the environment in which `import raycl` finds the folder, not the repository."""
    return {**os.environ, "PYTHONPATH": str(folder)}


@dataclass(frozen=True)
class Environment:
    """A virtual environment with an installed wheel, and an empty folder to work in."""

    folder: Path
    home: Path

    def run(self, *command: str, **variables: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a program of the environment, run in the empty folder."""
        result = subprocess.run(
            [str(self.folder / "bin" / command[0]), *command[1:]],
            cwd=self.home,
            env={**os.environ, "PYTHONPATH": "", **variables},
            capture_output=True,
            text=True,
            timeout=500,
        )
        return result.returncode, result.stdout, result.stderr


def new_environment(wheel: Path, folder: Path) -> Environment:
    """Install a wheel into a new virtual environment.

    Its dependencies are those of the present environment, whose `.pth` files are not read: an
    editable raycl there is not found.
    """
    venv.create(folder / "environment", with_pip=False, symlinks=True)
    site = Path(_site_packages(folder / "environment"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _python("-m", "pip", "--python", str(folder / "environment/bin/python"), *_install(wheel))
    (folder / "home").mkdir()
    return Environment(folder / "environment", folder / "home")


def _site_packages(environment: Path) -> str:
    return sysconfig.get_path("purelib", "venv", {"base": str(environment)})


def _install(wheel: Path) -> tuple[str, ...]:
    return ("install", "--quiet", "--no-deps", "--no-index", str(wheel))


def _pip(command: str, *arguments: str) -> None:
    _python("-m", "pip", command, "--quiet", "--no-deps", "--no-index", *arguments)


def _python(*arguments: str, cwd: Path = Path("/")) -> None:
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        timeout=300,
    )
