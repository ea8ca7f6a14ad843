"""state.json, a state's commit mark, with a checksum of itself: training goes on by what it says.

A flipped bit in a number of it would be read as another number, and change every step after it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from raycl.errors import InputError
from raycl.storage import Storage

MARK = "state.json"
_CHECKSUM = "crc32"
REMEDY = "Remove this state's folder and run again: training goes on from an earlier state"


def write_mark(storage: Storage, name: str, mark: Mapping[str, Any]) -> None:
    """Write the mark of the state `name`, with its checksum; from then on the state is complete."""
    storage.write_json(f"states/{name}/{MARK}", sealed(mark))


def read_mark(storage: Storage, name: str) -> Mapping[str, Any]:
    """The mark of the state `name`. Raises FileNotFoundError; InputError where it is damaged."""
    path = f"states/{name}/{MARK}"
    mark = storage.read_json(path)
    if not isinstance(mark, dict):
        raise InputError(storage.full_path(path), "not the mark of a state", REMEDY)
    if _CHECKSUM in mark and mark[_CHECKSUM] != _sum(mark):  # states of before have none
        raise InputError(storage.full_path(path), "it does not match its checksum", REMEDY)
    return mark


def sealed(mark: Mapping[str, Any]) -> dict[str, Any]:
    """The mark with the checksum of what it says."""
    return {**mark, _CHECKSUM: _sum(mark)}


def _sum(mark: Mapping[str, Any]) -> int:
    """zlib.crc32 of the mark without its checksum, as JSON with sorted keys."""
    content = {key: value for key, value in mark.items() if key != _CHECKSUM}
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())
