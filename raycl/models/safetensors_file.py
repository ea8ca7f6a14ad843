"""The header of a safetensors file, read without torch and without its tensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from raycl.errors import InputError
from raycl.models.start import TensorHeader

_LENGTH_BYTES = 8
_LARGEST_HEADER = 100 * 2**20
"""Bytes; the limit of the safetensors library."""
REMEDY = "Download the file again, or save the model anew with `save_pretrained`"


@dataclass(frozen=True)
class TensorPlace:
    """A tensor of a file, and the bytes [begin, end) of the file that hold it."""

    header: TensorHeader
    begin: int
    end: int


def tensor_places(path: Path) -> dict[str, TensorPlace]:
    """Every tensor of a safetensors file by name. Raises InputError where it is no such file."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if not 0 < length <= _LARGEST_HEADER:
                raise ValueError("the length of its header is not plausible")
            header = json.loads(file.read(length))
        places = {
            name: _place(entry, _LENGTH_BYTES + length)
            for name, entry in header.items()
            if name != "__metadata__"
        }
        _check_size(places, path.stat().st_size)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError) as error:
        raise InputError(str(path), f"not a safetensors file ({error})", REMEDY) from error
    return places


def _place(entry: dict[str, object], origin: int) -> TensorPlace:
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not isinstance(shape, list) or not isinstance(offsets, list):
        raise ValueError("a tensor of its header has no shape or no place")
    begin, end = (int(offset) for offset in offsets)
    if not 0 <= begin <= end:
        raise ValueError("a tensor of its header has no valid place")
    header = TensorHeader(str(entry["dtype"]), tuple(int(size) for size in shape))
    return TensorPlace(header, origin + begin, origin + end)


def _check_size(places: dict[str, TensorPlace], size: int) -> None:
    needed = max((place.end for place in places.values()), default=0)
    if size < needed:
        raise ValueError(f"it ends after {size:,} of {needed:,} bytes")
