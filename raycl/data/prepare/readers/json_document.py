"""A `.json` file: one JSON document, or JSON lines under another name.

A document is a list of objects, or one object, which is then one text. Which of the two a file is
shows its first line: JSON lines begin with an object that ends on its line.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace

from raycl.data.prepare.readers.bad_record import BadRecord
from raycl.data.prepare.readers.checks import BYTE_ORDER_MARK, BadDocumentError
from raycl.data.prepare.readers.compression import UNREADABLE, open_unpacked, unreadable
from raycl.data.prepare.readers.json_lines import JsonLinesReader
from raycl.data.prepare.readers.json_text import parse_json, text_of
from raycl.data.prepare.readers.reader import Reader, register
from raycl.data.prepare.source import InputFile, Piece, TextSource

_LINES = JsonLinesReader()
_BEGINNING = 4096


class JsonReader(Reader):
    """Reads a document as a whole, so that it has to fit into memory; lines one by one."""

    name = "json"
    suffixes = (".json",)

    def pieces(
        self, source: TextSource, file: InputFile, unit_bytes: int
    ) -> Iterator[tuple[Piece, int]]:
        """Lines are cut like any; a document is one piece."""
        if file.compression is None and file.size > unit_bytes and _has_lines(file):
            yield from _LINES.pieces(source, replace(file, format=_LINES.name), unit_bytes)
        else:
            yield from super().pieces(source, file, unit_bytes)

    def documents(self, source: TextSource, piece: Piece) -> Iterator[str | BadRecord]:
        """The text of every object. A document that is no JSON is a damaged file."""
        url = piece.file.url
        if _has_lines(piece.file):
            yield from _LINES.documents(source, piece)
            return
        try:
            value = parse_json(_whole(piece.file))
        except BadDocumentError as bad:
            raise bad.at(url, "line", 1).error() from bad
        for number, record in enumerate(value if isinstance(value, list) else [value], start=1):
            try:
                text: str | BadRecord = text_of(record, source.text_field)
            except BadDocumentError as bad:
                text = bad.at(url, "item", number)
            yield text


def _has_lines(file: InputFile) -> bool:
    """Whether the first line that is not blank is an object by itself."""
    try:
        with open_unpacked(file) as stream:
            first = _first_line(stream)
    except UNREADABLE as error:
        raise unreadable(file.url, error) from error
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _first_line(stream: io.BufferedReader) -> bytes:
    """The first line that is not blank; of one that is no object only its beginning.

    A list may be one line that is as long as the file.
    """
    while (line := stream.readline(_BEGINNING)).isspace():
        pass
    if line.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"{") and not line.endswith(b"\n"):
        line += stream.readline()
    return line


def _whole(file: InputFile) -> bytes:
    try:
        with open_unpacked(file) as stream:
            return stream.read()
    except UNREADABLE as error:
        raise unreadable(file.url, error) from error


register(JsonReader())
