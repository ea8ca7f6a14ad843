"""Reads the checkpoint that a recipe names, where the command runs and nowhere else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from raycl.errors import InputError
from raycl.models.headers import read_headers
from raycl.models.hub import is_hub_name, snapshot
from raycl.models.identifier import identifier_of
from raycl.models.start import Start

CONFIG = "config.json"
_REMEDY = "Give a folder with config.json and safetensors weights, or a hub name"


def read_start(reference: str, base: Path) -> Start:
    """The checkpoint in a folder, or of a model on the hub, which is downloaded.

    A relative folder begins at `base`, and `~` is the user's home. Raises InputError, which names
    the file, where there is no checkpoint or it cannot be used.
    """
    folder, commit = _folder(reference, base)
    config = _read_config(folder / CONFIG)
    headers = read_headers(folder)
    tensors = {name: header for name, (_, header) in headers.items()}
    return Start(reference, identifier_of(headers), config, tensors, folder, commit)


def local_folder(reference: str, base: Path) -> Path:
    """The absolute path that a reference is as a folder, whether it exists or not."""
    return Path(os.path.normpath(base.absolute() / Path(reference).expanduser()))


def _folder(reference: str, base: Path) -> tuple[Path, str]:
    """The folder, and the commit where it comes from the hub."""
    where, folder = f"model.pretrained {reference!r}", local_folder(reference, base)
    if folder.is_dir():
        return folder, ""
    if folder.exists():
        raise InputError(where, "a file, not a folder", _REMEDY)
    if not is_hub_name(reference):
        raise InputError(
            where,
            f"there is no folder {folder}",
            "Correct the path: a relative one begins where the command runs",
        )
    return snapshot(reference, where)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(str(path.parent), f"there is no {CONFIG}", _REMEDY) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(str(path), f"not readable as JSON ({error})", _REMEDY) from error
    if not isinstance(config, dict):
        raise InputError(str(path), "not a mapping of fields", _REMEDY)
    if not isinstance(config.get("model_type"), str):
        raise InputError(str(path), "it names no `model_type`", _REMEDY)
    return config
