"""Compressed files, and the stream of bytes that a file holds."""

from __future__ import annotations

import io
import lzma

import pyarrow as pa

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.source import InputFile
from raycl.errors import InputError

CHUNK_BYTES = 2**20
COMPRESSIONS = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".zst": "zstd",
    ".zstd": "zstd",
    ".bz2": "bz2",
    ".xz": "xz",
    ".lz4": "lz4",
}
"""Suffix -> name, as pyarrow calls it; pyarrow does not know xz, which Python unpacks."""

# Text usually shrinks by so much. It only decides the number of shards.
_TYPICAL_RATIO = {None: 1, "gzip": 3, "zstd": 3, "bz2": 4, "xz": 4, "lz4": 2}

UNREADABLE = (OSError, EOFError, lzma.LZMAError, pa.ArrowException)
"""What a damaged or missing file raises while it is read."""


def expected_bytes(file: InputFile) -> int:
    """Bytes that are to be expected in the file once it is unpacked."""
    return file.size * _TYPICAL_RATIO[file.compression]


def open_unpacked(file: InputFile) -> io.BufferedReader:
    """The file's bytes from its beginning, unpacked. Raises what `UNREADABLE` lists."""
    if file.compression is not None and file.size == 0:
        raise EOFError(f"it is empty, not {file.compression}")
    file_system, path = open_file_system(file.url)
    if file.compression == "xz":
        packed = io.BufferedReader(file_system.open_input_stream(path), CHUNK_BYTES)
        return io.BufferedReader(lzma.LZMAFile(packed), CHUNK_BYTES)
    stream = file_system.open_input_stream(path, compression=file.compression)
    return io.BufferedReader(stream, CHUNK_BYTES)


def unreadable(place: str, error: Exception) -> InputError:
    """The error for the user; `place` names the file, and how far it could be read."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    return InputError(place, f"it cannot be read ({reason})", "Give a readable, complete file")
