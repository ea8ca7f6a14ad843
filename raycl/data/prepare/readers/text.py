"""Plain text: a file is one document, unless a separator says where documents end."""

from __future__ import annotations

import io
from collections.abc import Iterator

from raycl.data.prepare.readers.bad_record import BadRecord
from raycl.data.prepare.readers.checks import BadDocumentError, decode, refuse_nul
from raycl.data.prepare.readers.compression import (
    CHUNK_BYTES,
    UNREADABLE,
    open_unpacked,
    unreadable,
)
from raycl.data.prepare.readers.reader import Reader, register
from raycl.data.prepare.source import Piece, TextSource


class TextReader(Reader):
    """Reads a file from its beginning: a separator cannot be found from within."""

    name = "text"
    suffixes = (".txt", ".text", ".md")

    def documents(self, source: TextSource, piece: Piece) -> Iterator[str | BadRecord]:
        """What stands between separators, or the whole text."""
        separator = (source.document_separator or "").encode()
        line, offset = 1, 0
        for document in _pieces_of_text(piece, separator):
            try:
                text: str | BadRecord = refuse_nul(decode(document, offset))
            except BadDocumentError as bad:
                text = bad.at(piece.file.url, "line", line)
            yield text
            line += document.count(b"\n") + separator.count(b"\n")
            offset += len(document) + len(separator)


def _pieces_of_text(piece: Piece, separator: bytes) -> Iterator[bytes]:
    lines = 0
    try:
        with open_unpacked(piece.file) as stream:
            for document in _split(stream, separator) if separator else [stream.read()]:
                yield document
                lines += document.count(b"\n") + separator.count(b"\n")
    except UNREADABLE as error:
        raise unreadable(f"{piece.file.url} after line {lines}", error) from error


def _split(stream: io.BufferedReader, separator: bytes) -> Iterator[bytes]:
    """Everything between separators, which may lie across two chunks of the stream."""
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        *documents, rest = (rest + chunk).split(separator)
        yield from documents
    if rest.strip():  # a file may end with a separator
        yield rest


register(TextReader())
