"""Looks for rows of an embedding that certainly were never trained: zeros, no numbers, copies.

An embedding is read once, by pieces, and what was found is kept in the user's cache folder under
the hash of its bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from raycl.models.weight_files import WeightFiles

_FORMS = {
    "BF16": ("<u2", 0x7F80),
    "F16": ("<u2", 0x7C00),
    "F32": ("<u4", 0x7F800000),
    "F64": ("<u8", 0x7FF0000000000000),
}
"""For each type its bits as an integer, and those that are all set in infinity and NaN."""


@dataclass(frozen=True)
class TokenRows:
    """Ids of tokens by what is wrong with their rows; a row is in one list at most."""

    zero: tuple[int, ...]
    """All numbers are zero."""
    broken: tuple[int, ...]
    """A number is infinite or NaN."""
    equal: tuple[tuple[int, ...], ...]
    """Groups of two tokens or more that have the same row to the bit."""


def token_rows(files: WeightFiles, name: str, sha256: str = "") -> TokenRows:
    """The conspicuous rows of a tensor [tokens, width]; `sha256` is that of its bytes.

    Raises InputError where the file is missing or cut.
    """
    known = _known(sha256) if sha256 else None
    if known is not None:
        return known
    found = _searched(files, name)
    if sha256:
        _remember(sha256, found)
    return found


def _searched(files: WeightFiles, name: str) -> TokenRows:
    zero: list[int] = []
    broken: list[int] = []
    by_content: dict[bytes, list[int]] = defaultdict(list)
    for first, bits, exponent in _pieces(files, name):
        sign = np.array(1, bits.dtype) << np.array(8 * bits.itemsize - 1, bits.dtype)
        empty = ((bits & ~sign) == 0).all(axis=1)
        wrong = ((bits & exponent) == exponent).any(axis=1)
        zero += (first + np.flatnonzero(empty)).tolist()
        broken += (first + np.flatnonzero(wrong)).tolist()
        for row in np.flatnonzero(~empty & ~wrong).tolist():
            by_content[hashlib.blake2b(bits[row].data, digest_size=16).digest()].append(first + row)
    groups = (tuple(tokens) for tokens in by_content.values() if len(tokens) > 1)
    return TokenRows(tuple(zero), tuple(broken), tuple(sorted(groups)))


def _pieces(files: WeightFiles, name: str) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Number of the first row, rows as integers of the same bits, and the bits of an exponent."""
    header = files.headers[name]
    if header.dtype not in _FORMS or len(header.shape) != 2:
        return
    form, exponent = _FORMS[header.dtype]
    for first, data in files.rows(name, 0, header.shape[0]):
        bits = np.frombuffer(data, form).reshape(-1, header.shape[1])
        yield first, bits, np.array(exponent, bits.dtype)


def _known(sha256: str) -> TokenRows | None:
    with suppress(OSError, ValueError, LookupError, TypeError):
        content = json.loads(_place(sha256).read_bytes())
        return TokenRows(
            tuple(map(int, content["zero"])),
            tuple(map(int, content["broken"])),
            tuple(tuple(map(int, group)) for group in content["equal"]),
        )
    return None


def _remember(sha256: str, found: TokenRows) -> None:
    place = _place(sha256)
    # Without a cache the embedding is only read again.
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(asdict(found)))
        partial.replace(place)


def _place(sha256: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "raycl" / "token-rows" / f"{sha256}.json"
