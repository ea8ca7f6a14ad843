"""The checksum of a local file."""

from __future__ import annotations

import zlib
from pathlib import Path

_READ_BYTES = 16 << 20


def checksum(path: Path) -> int:
    """zlib.crc32 of a local file, which is streamed."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            value = zlib.crc32(block, value)
    return value
