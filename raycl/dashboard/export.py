"""The dashboard as one file that needs neither a server nor a network."""

from __future__ import annotations

from pathlib import Path

from raycl.dashboard.read import WatchedStorage
from raycl.errors import InputError
from raycl.storage import Storage
from raycl.watch.page.render import render


def export(watched: WatchedStorage, file: Path) -> list[str]:
    """Write all that the storage holds now into a file, completely or not at all.

    Returns what is damaged of it, which the page tells too. Raises InputError where the storage has
    no sweep.
    """
    found = watched.whole()
    if not found["sweeps"]:
        problem = found["damaged"][0] if found["damaged"] else "no sweep here"
        raise InputError(f"storage {watched.storage.url!r}", problem, "Run `raycl sweep` first")
    place = file.expanduser().absolute()
    if not place.parent.is_dir():
        raise InputError(f"--export {file}", "its folder is not there", "Make the folder first")
    Storage(place.parent).write_bytes(place.name, render(dict(found)))
    return found["damaged"]
