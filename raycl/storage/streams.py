"""Files of a storage read piece by piece, so that a large one takes little memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from raycl.storage.store import Storage

PIECE_BYTES = 8 * 2**20


def pieces(storage: Storage, path: str, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """The file's bytes in order, at most `piece_bytes` at a time. Raises FileNotFoundError."""
    size = storage.size(path)
    for start in range(0, size, piece_bytes):
        yield storage.read_range(path, start, min(piece_bytes, size - start))


def crc32_of(storage: Storage, path: str) -> tuple[int, int]:
    """The number of bytes of a file and their zlib.crc32. Raises FileNotFoundError."""
    size, value = 0, 0
    for piece in pieces(storage, path):
        size, value = size + len(piece), zlib.crc32(piece, value)
    return size, value
