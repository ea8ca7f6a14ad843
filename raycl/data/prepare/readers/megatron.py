"""Tokens that Megatron-LM or GPT-NeoX have written: a `.bin` file, and its index beside it.

A data set is named by the path that both files share, as after `--data-path`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import numpy as np

from raycl.data.prepare.file_systems import open_for_ranges, split_query
from raycl.data.prepare.readers.compression import UNREADABLE, unreadable
from raycl.data.prepare.readers.megatron_index import MegatronIndex, check_index, open_index
from raycl.data.prepare.readers.reader import TYPICAL_BYTES_PER_TOKEN, TokenReader, register
from raycl.data.prepare.source import InputFile, Piece, TextSource, TokenDocument
from raycl.errors import InputError

INDEX, DATA = ".idx", ".bin"
_BLOCK = 2**12
"""Documents whose places are looked up at a time."""
_CHUNK_BYTES = 4 * 2**20


class MegatronReader(TokenReader):
    """Cuts a data set into equal numbers of documents, and reads ranges of the `.bin` file."""

    name = "megatron"
    suffixes = ()  # one of the two files alone would not be the whole input
    reads_compressed = False

    def files(self, word: str) -> tuple[str, ...]:
        """Both files of a data set, or of each that a pattern names."""
        path, query = split_query(word)
        stem, suffix = os.path.splitext(path)
        if suffix.lower() not in (INDEX, DATA):
            stem = path
        return f"{stem}{INDEX}{query}", f"{stem}{DATA}{query}"

    def pieces(
        self,
        source: TextSource,  # noqa: ARG002
        file: InputFile,
        unit_bytes: int,
    ) -> Iterator[tuple[Piece, int]]:
        """Documents of about `unit_bytes` of text. Raises InputError where the files are damaged.

        The `.bin` file has none: it is read through its index.
        """
        index_url, data_url = _pair(file.url)
        if file.url == data_url:
            open_index(index_url, data_url)  # raises where there is none
            return
        index = open_index(index_url, data_url)
        check_index(index)
        expected = index.tokens * TYPICAL_BYTES_PER_TOKEN
        count = min(index.documents, max(1, -(-expected // unit_bytes)))
        for number in range(count):
            start, stop = (index.documents * n // count for n in (number, number + 1))
            size = expected * (number + 1) // count - expected * number // count
            yield Piece(file, start, stop), size

    def tokens(self, piece: Piece) -> Iterator[TokenDocument]:
        """The documents [start, stop) of an index, the sequences of each one after another."""
        index_url, data_url = _pair(piece.file.url)
        index = open_index(index_url, data_url)
        try:
            with io.BufferedReader(open_for_ranges(data_url), _CHUNK_BYTES) as stream:
                for first in range(piece.start, piece.stop, _BLOCK):
                    stop = min(first + _BLOCK, piece.stop)
                    for number, ids in enumerate(_documents(index, stream, first, stop), first):
                        yield TokenDocument(data_url, number, ids)
        except UNREADABLE as error:
            raise unreadable(data_url, error) from error


def _documents(
    index: MegatronIndex, stream: io.BufferedReader, first: int, stop: int
) -> Iterator[np.ndarray]:
    bounds = index.bounds(first, stop)
    stream.seek(int(bounds[0]))
    for number, size in enumerate(np.diff(bounds).tolist(), first):
        data = stream.read(size) if size >= 0 else b""
        if len(data) != size or size % index.dtype.itemsize:
            raise InputError(
                f"{index.url} document {number}",
                "it is not whole: the files changed while they were read",
                "Run again when nothing writes them",
            )
        yield np.frombuffer(data, index.dtype)


def _pair(url: str) -> tuple[str, str]:
    path, query = split_query(url)
    stem = os.path.splitext(path)[0]
    return f"{stem}{INDEX}{query}", f"{stem}{DATA}{query}"


register(MegatronReader())
