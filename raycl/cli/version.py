"""`raycl --version`: the versions that a report of a fault needs."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import typer

from raycl.version import VERSION

_LIBRARIES = ("torch", "ray", "transformers")


def version_lines() -> list[str]:
    """The versions of raycl, of Python and of the libraries that it stands on.

    They are read from what is installed; no library is imported, which would take seconds.
    """
    found = {"raycl": VERSION, "Python": platform.python_version()}
    found |= {name: _installed(name) for name in _LIBRARIES}
    return [f"{name} {number}" for name, number in found.items()]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def print_version(asked: bool) -> None:
    """Print the versions and end the command, where they are asked for."""
    if asked:
        print("\n".join(version_lines()))
        raise typer.Exit
