"""Finds the checkpoint that a recipe names: in its folder, on the hub, or in the storage."""

from __future__ import annotations

import re
from pathlib import Path

from raycl.errors import InputError
from raycl.models.hub import is_hub_name
from raycl.models.read import is_there, local_folder, read_start
from raycl.models.references import remembered
from raycl.models.start import Start
from raycl.models.store import find_identifier, stored_start
from raycl.storage import Storage

_IDENTIFIER = re.compile(r"[0-9a-f]{12,64}")


_STATE = re.compile(r"[0-9]{9,}-[0-9a-f]{4,40}")


def is_state_name(reference: str) -> bool:
    """Whether a reference has the form of a state's name, or of the beginning of one."""
    return _STATE.fullmatch(reference) is not None


def find_start(reference: str, base: Path, storage: Storage | None) -> tuple[Start, str]:
    """The checkpoint that a recipe names, and a sentence where it is not where it was; else "".

    A folder comes first, relative to `base`; then a model of the storage by its identifier, or by
    the first 12 digits or more of it; then the storage's copy of a folder that is gone; then the
    hub, and the storage's copy where the hub cannot be asked. Raises InputError, for the name of a
    state with what to do.
    """
    folder = local_folder(reference, base)
    if storage is None or is_there(folder):
        return read_start(reference, base), ""
    if is_state_name(reference):
        raise InputError(
            f"model.pretrained {reference!r}",
            "this is a state, and a recipe starts from a model",
            f"Run `raycl models add {reference}` with --storage of the state's storage, and give "
            "the identifier that it prints",
        )
    if _IDENTIFIER.fullmatch(reference):
        identifier = find_identifier(storage, reference)
        if identifier and (start := stored_start(storage, identifier, reference)):
            return start, ""
        raise InputError(
            f"model.pretrained {reference!r}",
            f"no model of {storage.url} has this identifier",
            "Put it there with `raycl models add FOLDER --storage URL`",
        )
    if start := remembered(storage, str(folder), reference):
        return start, _sentence(start, f"the folder {folder} is gone")
    try:
        return read_start(reference, base), ""
    except InputError:
        start = remembered(storage, reference, reference) if is_hub_name(reference) else None
        if start is None:
            raise
        return start, _sentence(start, "the hub does not give it now")


def _sentence(start: Start, problem: str) -> str:
    return (
        f"model.pretrained {start.reference!r}: {problem}; going on from the copy in the storage "
        f"(model {start.identifier})"
    )
