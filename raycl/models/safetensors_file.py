"""The header of one safetensors file, checked against the file: no tensor is read.

A file is eight bytes with the length of the header, the header as JSON, and the tensors' bytes. The
offsets of the tensors cover these bytes without a gap (https://github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from raycl.errors import InputError
from raycl.models.start import TensorHeader

BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL"), 8),
    **dict.fromkeys(("F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Bits of one number of each type that the format knows."""

_MOST_HEADER_BYTES = 100_000_000  # the library refuses more
_AGAIN = "Copy or download the file again"


@dataclass(frozen=True)
class TensorPlace:
    """A tensor of a file, and the bytes [begin, end) of the file that hold it."""

    header: TensorHeader
    begin: int
    end: int


def tensor_places(file: Path) -> dict[str, TensorPlace]:
    """The tensors of a file by name, in the order of their bytes.

    Raises InputError, which names the file, where it is no whole safetensors file.
    """
    try:
        with file.open("rb") as stream:

            def read(start: int, length: int) -> bytes:
                stream.seek(start)
                return stream.read(length)

            return places_in(read, file.stat().st_size, str(file))
    except OSError as error:
        raise InputError(str(file), _reason(error), "Give a file that can be read") from error


def places_in(read: Callable[[int, int], bytes], size: int, where: str) -> dict[str, TensorPlace]:
    """The tensors in `size` bytes, of which `read(start, length)` gives a range.

    They are in the order of their bytes. Raises InputError, with `where`, where these are not the
    bytes of a whole safetensors file.
    """
    first = read(0, min(size, 64))
    _check_kind(first, where)
    length = int.from_bytes(first[:8], "little")
    if length > _MOST_HEADER_BYTES or length < 2:
        raise InputError(where, "not a safetensors file", _AGAIN)
    if 8 + length > size:
        raise _truncated(where, 8 + length, size)
    entries = _entries(read(8, length), where)
    _check_offsets(entries, size - 8 - length, where)
    return {name: _place(entry, 8 + length) for name, entry in entries}


def _place(entry: dict[str, Any], origin: int) -> TensorPlace:
    begin, end = entry["data_offsets"]
    header = TensorHeader(entry["dtype"], tuple(entry["shape"]))
    return TensorPlace(header, origin + begin, origin + end)


def _reason(error: OSError) -> str:
    return f"it cannot be read ({error.strerror or error})"


def _check_kind(first: bytes, where: str) -> None:
    """Raise InputError where the first bytes are those of something else."""
    if not first:
        raise InputError(where, "the file is empty", _AGAIN)
    if first.startswith(b"version https://git-lfs"):
        raise InputError(
            where,
            "a pointer of Git LFS, which stands for the file and is not the file",
            "Run `git lfs pull` in its folder",
        )
    if first.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x04")):
        raise InputError(
            where, "a pickle, which can run code", "Save the model with `save_pretrained`"
        )
    if first.startswith(b"GGUF"):
        raise InputError(where, "a GGUF file", "Give the model's safetensors weights")
    if len(first) < 8:
        raise _truncated(where, 8, len(first))


def _truncated(where: str, expected: int, found: int) -> InputError:
    problem = f"truncated: {found:,} of at least {expected:,} bytes are there"
    return InputError(where, problem, _AGAIN)


def _entries(text: bytes, where: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and entries of the tensors, in the order of their bytes."""
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"its header cannot be read ({error})", _AGAIN) from error
    if not isinstance(data, dict):
        raise InputError(where, "its header is not a list of tensors", _AGAIN)
    data.pop("__metadata__", None)
    for name, entry in data.items():
        if not _is_entry(entry):
            raise InputError(where, f"its entry of tensor {name} cannot be read", _AGAIN)
    return sorted(data.items(), key=lambda item: item[1]["data_offsets"])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a tensor is named twice")
    return found


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("dtype") in BITS
        and _are_counts(entry.get("shape"))
        and _are_counts(entry.get("data_offsets"))
        and len(entry["data_offsets"]) == 2
    )


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)


def _check_offsets(entries: Iterable[tuple[str, dict[str, Any]]], size: int, where: str) -> None:
    """Raise InputError where the tensors do not cover the `size` bytes one after another."""
    end = 0
    for name, entry in entries:
        start, stop = entry["data_offsets"]
        if start != end:
            kind = "overlap those of another" if start < end else "begin after a gap"
            raise InputError(where, f"the bytes of tensor {name} {kind}", _AGAIN)
        if (stop - start) * 8 != prod(entry["shape"]) * BITS[entry["dtype"]]:
            problem = f"tensor {name} has {stop - start:,} bytes, which is not what its shape takes"
            raise InputError(where, problem, _AGAIN)
        end = stop
    if end > size:
        problem = f"truncated: {size:,} of the {end:,} bytes of its tensors are there"
        raise InputError(where, problem, _AGAIN)
    if end < size:
        raise InputError(where, f"{size - end:,} bytes follow its last tensor", _AGAIN)
