"""JSON lines: one object a line, one field of which is the text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.readers.bad_record import BadRecord
from raycl.data.prepare.readers.checks import BadDocumentError
from raycl.data.prepare.readers.compression import (
    CHUNK_BYTES,
    UNREADABLE,
    open_unpacked,
    unreadable,
)
from raycl.data.prepare.readers.json_text import parse_json, text_of
from raycl.data.prepare.readers.reader import Reader, register
from raycl.data.prepare.source import InputFile, Piece, TextSource


class JsonLinesReader(Reader):
    """Cuts a file anywhere: a line belongs to the piece in which it begins."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")

    def pieces(
        self, source: TextSource, file: InputFile, unit_bytes: int
    ) -> Iterator[tuple[Piece, int]]:
        """Pieces of `unit_bytes`; one where the file is compressed and so read from its start."""
        if file.compression is not None:
            yield from super().pieces(source, file, unit_bytes)
            return
        for start in range(0, file.size, unit_bytes):
            stop = min(start + unit_bytes, file.size)
            yield Piece(file, start, stop), stop - start

    def documents(self, source: TextSource, piece: Piece) -> Iterator[str | BadRecord]:
        """The text of every line that begins within the piece; blank lines are passed over."""
        for line in _lines(piece):
            if line.data.isspace():
                continue
            try:
                value = parse_json(line.data, line.offset)
                text: str | BadRecord = text_of(value, source.text_field)
            except BadDocumentError as bad:
                # A line of JSON is one line, whatever the parser counts within it.
                bad.lines_into_it = 0
                text = bad.at(piece.file.url, "line", line.number, piece.start)
            yield text


@dataclass(frozen=True)
class _Line:
    number: int
    """Counted from 1 within the piece."""
    offset: int
    """Bytes of the unpacked file before it."""
    data: bytes


def _lines(piece: Piece) -> Iterator[_Line]:
    """Lines that begin within the piece. Raises InputError where the file is damaged."""
    number = 0
    try:
        for number, (offset, data) in enumerate(_unnumbered(piece), start=1):
            yield _Line(number, offset, data)
    except UNREADABLE as error:
        raise unreadable(f"{piece.file.url} after line {number}", error) from error


def _unnumbered(piece: Piece) -> Iterator[tuple[int, bytes]]:
    if piece.file.compression is not None:
        offset = 0
        with open_unpacked(piece.file) as stream:
            for line in stream:
                yield offset, line
                offset += len(line)
        return
    file_system, path = open_file_system(piece.file.url)
    with io.BufferedReader(file_system.open_input_file(path), CHUNK_BYTES) as stream:
        position = piece.start
        if position > 0:
            # The byte before tells whether a line begins here; else it is the previous piece's.
            stream.seek(position - 1)
            position += len(stream.readline()) - 1
        while position < piece.stop and (line := stream.readline()):
            yield position, line
            position += len(line)


register(JsonLinesReader())
