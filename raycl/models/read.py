"""Reads the checkpoint that a recipe names, where the command runs and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from raycl.errors import InputError
from raycl.models.headers import read_config, read_headers
from raycl.models.hub import is_hub_name, snapshot
from raycl.models.identifier import hashed_tensors, identifier_of
from raycl.models.start import Start

_REMEDY = "Give a folder with config.json and safetensors weights, or a hub name"


def read_start(reference: str, base: Path) -> Start:
    """The checkpoint in a folder, or of a model on the hub, which is downloaded.

    A relative folder begins at `base`, and `~` is the user's home. Raises InputError, which names
    the file, where there is no checkpoint or it cannot be used.
    """
    folder, commit = _folder(reference, base)
    config = read_config(folder)
    tensors = hashed_tensors(read_headers(folder))
    return Start(reference, identifier_of(tensors), config, tensors, folder, commit)


def local_folder(reference: str, base: Path) -> Path:
    """The absolute path that a reference is as a folder, whether it exists or not."""
    try:
        path = Path(reference).expanduser()
    except RuntimeError:  # there is no such user
        path = Path(reference)
    return Path(os.path.normpath(base.absolute() / path))


def is_there(folder: Path) -> bool:
    """Whether the path exists. False for one that no file system can have, such as a long one."""
    try:
        return folder.exists()
    except (OSError, ValueError):
        return False


def _folder(reference: str, base: Path) -> tuple[Path, str]:
    """The folder, and the commit where it comes from the hub."""
    where, folder = f"model.pretrained {reference!r}", local_folder(reference, base)
    if is_there(folder):
        if folder.is_dir():
            return folder, ""
        raise InputError(where, "a file, not a folder", _REMEDY)
    if not is_hub_name(reference):
        raise InputError(
            where,
            f"there is no folder {folder}",
            "Correct the path: a relative one begins where the command runs",
        )
    return snapshot(reference, where)
