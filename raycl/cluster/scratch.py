"""The folder of an embedded cluster: its files and sockets, gone when the command ends."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from raycl.errors import InputError

_PREFIX = "raycl-"
_MOST_CHARACTERS = 107 - len("/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store")
"""Ray's sockets lie below the folder, and the path of a socket may have 107 characters."""


def make_folder() -> str:
    """A new folder in TMPDIR, where its path is short enough for sockets, or else in /tmp.

    Its name says whose it is, so that a later process can tell whether it is in use. Raises
    InputError where no place is both short enough and writable.
    """
    for place in _places():
        if len(f"{place}/{_PREFIX}{os.getpid()}-12345678") > _MOST_CHARACTERS:
            continue
        try:
            return tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place)
        except OSError:
            continue
    raise InputError(
        f"scratch folder in {' or '.join(_places())}",
        "nothing can be written there, or the path is too long for sockets",
        "Set TMPDIR to a folder that you may write to, with a path of at most 20 characters",
    )


def remove_folders_of_the_dead() -> None:
    """Remove folders of embedded clusters whose process was killed before it could do so."""
    for folder in _all_folders():
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def end_processes(folder: str) -> None:
    """Kill the processes of a cluster that did not come up: their commands name its folder."""
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended by itself
            if os.fsencode(folder) in command.read_bytes():
                os.kill(int(command.parent.name), signal.SIGKILL)


def remove(folder: str) -> None:
    """Remove a cluster's folder. Ray's daemons still write files for a moment after their end."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(0.1)


def _places() -> list[str]:
    try:
        chosen = [tempfile.gettempdir()]  # TMPDIR, where it can be written to
    except FileNotFoundError:
        chosen = []
    return list(dict.fromkeys([*chosen, "/tmp", "/dev/shm"]))


def _all_folders() -> Iterator[Path]:
    for place in _places():
        yield from Path(place).glob(f"{_PREFIX}*-*")
