"""The documents of a unit of work, one by one, with errors that name the file and the line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raycl.data.prepare.inputs import InputFile, Piece, TextSource, Unit, open_file_system
from raycl.errors import InputError

_CHUNK = 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _BadDocumentError(Exception):
    """What is wrong with one document; the reader that knows where it stands adds the place."""

    def __init__(self, problem: str, remedy: str, lines_into_it: int = 0) -> None:
        super().__init__(problem)
        self.problem, self.remedy, self.lines_into_it = problem, remedy, lines_into_it

    def at(self, place: str) -> InputError:
        return InputError(place, self.problem, self.remedy)


def read_documents(source: TextSource, unit: Unit) -> Iterator[str]:
    """Every document of the unit that is not blank. Raises InputError."""
    readers = {"text": _read_text, "jsonl": _read_json_lines, "parquet": _read_parquet}
    for piece in unit:
        try:
            for text in readers[piece.file.format](source, piece):
                if text and not text.isspace():
                    yield text
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                piece.file.url, f"it cannot be read ({error})", "Give a readable, complete file"
            ) from error


def _open(file: InputFile) -> io.BufferedReader:
    file_system, path = open_file_system(file.url)
    stream = file_system.open_input_stream(path, compression=file.compression)
    return io.BufferedReader(stream, _CHUNK)


def _read_text(source: TextSource, piece: Piece) -> Iterator[str]:
    separator = (source.document_separator or "").encode()
    line = 1
    with _open(piece.file) as stream:
        for document in _split(stream, separator) if separator else [stream.read()]:
            try:
                text = _decode(document)
            except _BadDocumentError as bad:
                raise bad.at(f"{piece.file.url} line {line + bad.lines_into_it}") from bad
            yield text
            line += document.count(b"\n") + separator.count(b"\n")


def _split(stream: io.BufferedReader, separator: bytes) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(_CHUNK):
        *documents, rest = (rest + chunk).split(separator)
        yield from documents
    yield rest


def _read_json_lines(source: TextSource, piece: Piece) -> Iterator[str]:
    for number, line in _lines(piece):
        if line.isspace():
            continue
        try:
            text = _json_text(line, source.text_field)
        except _BadDocumentError as bad:
            raise bad.at(f"{piece.file.url} line {_lines_before(piece) + number}") from bad
        yield text


def _lines(piece: Piece) -> Iterator[tuple[int, bytes]]:
    """Lines that begin within the piece, counted from 1 in it."""
    if piece.file.compression is not None:
        with _open(piece.file) as stream:
            yield from enumerate(stream, start=1)
        return
    file_system, path = open_file_system(piece.file.url)
    with io.BufferedReader(file_system.open_input_file(path), _CHUNK) as stream:
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
    try:
        record = json.loads(_decode(line))
    except ValueError as error:
        raise _BadDocumentError(f"not valid JSON ({error})", "Correct or drop this line") from error
    if not isinstance(record, dict):
        raise _BadDocumentError("not a JSON object", 'Give one {"text": "…"} a line')
    if text_field not in record:
        raise _BadDocumentError(
            f"there is no field {text_field!r} (it has {', '.join(record) or 'none'})",
            "Set `text_field` to the field that holds the text",
        )
    return _text(record[text_field], text_field)


def _read_parquet(source: TextSource, piece: Piece) -> Iterator[str]:
    file_system, path = open_file_system(piece.file.url)
    with pq.ParquetFile(file_system.open_input_file(path)) as parquet:
        groups = [parquet.metadata.row_group(index).num_rows for index in range(piece.stop)]
        row = sum(groups[: piece.start])
        for batch in parquet.iter_batches(
            batch_size=512, row_groups=range(piece.start, piece.stop), columns=[source.text_field]
        ):
            for value in batch.column(0).to_pylist():
                try:
                    text = _text(value, source.text_field)
                except _BadDocumentError as bad:
                    raise bad.at(f"{piece.file.url} row {row}") from bad
                yield text
                row += 1


def _text(value: Any, text_field: str) -> str:
    if not isinstance(value, str):
        kind = "null" if value is None else type(value).__name__
        raise _BadDocumentError(
            f"field {text_field!r} is {kind}, not text", "Correct or drop this document"
        )
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise _BadDocumentError(
            f"field {text_field!r} holds half of a surrogate pair", "Correct or drop this document"
        )
    return value


def _decode(data: bytes) -> str:
    try:
        return data.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        raise _BadDocumentError(
            f"not valid UTF-8 (byte {data[error.start] if error.start < len(data) else 0:#04x})",
            "Convert the file to UTF-8",
            lines_into_it=data[: error.start].count(b"\n"),
        ) from error
