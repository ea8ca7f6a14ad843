"""A local folder that appears complete or not at all: written beside its place, then renamed."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from raycl.errors import InputError
from raycl.units import format_bytes

_MARK = ".written-by-raycl"
"""A file in a folder that is not complete: only such a folder is ever replaced."""
_SPARE = 64 * 2**20
"""Bytes for everything that is not weights."""


def check_new(folder: Path) -> None:
    """Raise InputError where the folder holds something, or cannot be made here."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(str(folder), "it is not empty", "Give a new folder")
    if folder.is_symlink():
        # A folder is renamed to its place, which cannot be a link.
        raise InputError(str(folder), "it is a link", "Give a new folder")
    above = next(place for place in folder.absolute().parents if place.exists())
    if not above.is_dir():
        raise InputError(str(folder), f"{above} is a file", "Give a folder elsewhere")
    beside = _beside(folder)
    if beside.exists() and not (beside / _MARK).exists():
        problem = "the folder is written here first, but something else has this name"
        raise InputError(str(beside), problem, "Rename it, or give another folder")


def check_room(folder: Path, size: int) -> None:
    """Raise InputError where the disk of the folder has less than `size` bytes left."""
    parent = next(place for place in folder.absolute().parents if place.exists())
    left = shutil.disk_usage(parent).free
    if left < size + _SPARE:
        problem = f"{format_bytes(size)} are needed, and its disk has {format_bytes(left)} left"
        raise InputError(str(folder), problem, "Make room, or give a folder on another disk")


@contextmanager
def written_beside(folder: Path, report: Callable[[str], None]) -> Iterator[Path]:
    """A new folder beside `folder`, which takes its place at the end of the block.

    After an error in the block nothing is left. What a killed command left is replaced, and told.
    """
    check_new(folder)
    beside = _beside(folder)
    if beside.exists():
        with _alone(beside):
            report(f"{beside} was left by a command that did not end; it is replaced")
            shutil.rmtree(beside)
    try:
        beside.mkdir(parents=True)
    except FileExistsError as error:  # of two commands that begin at once
        raise _written_already(beside) from error
    with _alone(beside):
        yield from _filled(beside, folder)


def _filled(beside: Path, folder: Path) -> Iterator[Path]:
    try:
        yield beside
        for file in beside.glob("*.safetensors"):
            file.chmod(0o644)  # safetensors' own writer lets nobody else read them
        (beside / _MARK).unlink()
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


@contextmanager
def _alone(beside: Path) -> Iterator[None]:
    """Hold the mark of a folder that is being written; the system lets go of it at a kill.

    Raises InputError where another process holds it.
    """
    with (beside / _MARK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _written_already(beside) from error
        except OSError:
            pass  # a file system without locks
        yield


def _written_already(beside: Path) -> InputError:
    problem = "another command writes this folder now"
    return InputError(str(beside), problem, "Wait for its end, or give another folder")


def _beside(folder: Path) -> Path:
    place = folder.absolute()
    return place.with_name(f"{place.name}.partial")
