"""Compressed files, and the stream of bytes that a file holds."""

from __future__ import annotations

import io

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.source import InputFile

CHUNK_BYTES = 2**20
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""Suffix -> name, as pyarrow calls it."""

# Text usually shrinks by so much. It only decides the number of shards.
_TYPICAL_RATIO = {None: 1, "gzip": 3, "zstd": 3, "bz2": 4}


def expected_bytes(file: InputFile) -> int:
    """Bytes that are to be expected in the file once it is unpacked."""
    return file.size * _TYPICAL_RATIO[file.compression]


def open_unpacked(file: InputFile) -> io.BufferedReader:
    """The file's bytes from its beginning, unpacked. Raises OSError."""
    file_system, path = open_file_system(file.url)
    stream = file_system.open_input_stream(path, compression=file.compression)
    return io.BufferedReader(stream, CHUNK_BYTES)
