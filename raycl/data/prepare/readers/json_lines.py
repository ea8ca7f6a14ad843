"""JSON lines: one object a line, one field of which is the text."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.readers.checks import BadDocumentError, checked_text, decode
from raycl.data.prepare.readers.compression import CHUNK_BYTES, open_unpacked
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

    def documents(self, source: TextSource, piece: Piece) -> Iterator[str]:
        """The text of every line that begins within the piece; blank lines are passed over."""
        for number, line in _lines(piece):
            if line.isspace():
                continue
            try:
                text = _json_text(line, source.text_field)
            except BadDocumentError as bad:
                raise bad.at(f"{piece.file.url} line {_lines_before(piece) + number}") from bad
            yield text


def _lines(piece: Piece) -> Iterator[tuple[int, bytes]]:
    """Lines that begin within the piece, counted from 1 in it."""
    if piece.file.compression is not None:
        with open_unpacked(piece.file) as stream:
            yield from enumerate(stream, start=1)
        return
    file_system, path = open_file_system(piece.file.url)
    with io.BufferedReader(file_system.open_input_file(path), CHUNK_BYTES) as stream:
        position = piece.start
        if position > 0:
            # The byte before tells whether a line begins here; else it is the previous piece's.
            stream.seek(position - 1)
            position += len(stream.readline()) - 1
        number = 0
        while position < piece.stop and (line := stream.readline()):
            position, number = position + len(line), number + 1
            yield number, line


def _lines_before(piece: Piece) -> int:
    """Lines that begin before the piece does; counted only to name a line in an error."""
    return sum(1 for _ in _lines(Piece(piece.file, 0, piece.start))) if piece.start else 0


def _json_text(line: bytes, text_field: str) -> str:
    """The text in a line. Raises BadDocumentError."""
    try:
        record = json.loads(decode(line))
    except ValueError as error:
        raise BadDocumentError(f"not valid JSON ({error})", "Correct or drop this line") from error
    if not isinstance(record, dict):
        raise BadDocumentError("not a JSON object", 'Give one {"text": "…"} a line')
    if text_field not in record:
        raise BadDocumentError(
            f"there is no field {text_field!r} (it has {', '.join(record) or 'none'})",
            "Set `text_field` to the field that holds the text",
        )
    return checked_text(record[text_field], text_field)


register(JsonLinesReader())
