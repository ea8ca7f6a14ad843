"""Parquet: one row a document, one column of which is the text."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.readers.checks import BadDocumentError, checked_text
from raycl.data.prepare.readers.compression import UNREADABLE, unreadable
from raycl.data.prepare.readers.reader import Reader, register
from raycl.data.prepare.source import InputFile, Piece, TextSource
from raycl.errors import InputError


class ParquetReader(Reader):
    """Cuts a file between row groups, and reads only the column of the text."""

    name = "parquet"
    suffixes = (".parquet",)
    reads_compressed = False

    def pieces(
        self, source: TextSource, file: InputFile, unit_bytes: int
    ) -> Iterator[tuple[Piece, int]]:
        """As many row groups as hold `unit_bytes` of text."""
        file_system, path = open_file_system(file.url)
        try:
            metadata = pq.read_metadata(path, filesystem=file_system)
            schema = metadata.schema.to_arrow_schema()
        except UNREADABLE as error:
            raise InputError(
                file.url, f"not a Parquet file ({error})", "Give a valid file"
            ) from error
        _check_column(schema, source.text_field, file.url)
        start = size = 0
        for group in range(metadata.num_row_groups):
            columns = (metadata.row_group(group).column(i) for i in range(metadata.num_columns))
            size += sum(
                column.total_uncompressed_size
                for column in columns
                if column.path_in_schema.split(".")[0] == source.text_field
            )
            if size >= unit_bytes or group == metadata.num_row_groups - 1:
                yield Piece(file, start, group + 1), size
                start, size = group + 1, 0

    def documents(self, source: TextSource, piece: Piece) -> Iterator[str]:
        """The text of every row of the row groups; checksums of pages are verified."""
        row = 0
        try:
            for row, value in _values(source.text_field, piece):
                try:
                    text = checked_text(_as_text(value), source.text_field)
                except BadDocumentError as bad:
                    raise bad.at(f"{piece.file.url} row {row}") from bad
                yield text
        except UNREADABLE as error:
            raise unreadable(f"{piece.file.url} at or after row {row}", error) from error


def _values(column: str, piece: Piece) -> Iterator[tuple[int, pa.Scalar]]:
    """The rows of the piece, counted from 0 in the file, and their values."""
    file_system, path = open_file_system(piece.file.url)
    stream = file_system.open_input_file(path)
    with pq.ParquetFile(stream, page_checksum_verification=True) as parquet:
        groups = [parquet.metadata.row_group(index).num_rows for index in range(piece.stop)]
        row = sum(groups[: piece.start])
        for batch in parquet.iter_batches(
            batch_size=512, row_groups=range(piece.start, piece.stop), columns=[column]
        ):
            for value in batch.column(0):
                yield row, value
                row += 1


def _as_text(value: pa.Scalar) -> object:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        problem = f"not valid UTF-8 (byte {error.object[error.start]:#04x})"
        raise BadDocumentError(problem, "Correct or drop this document") from error


def _check_column(schema: pa.Schema, name: str, where: str) -> None:
    """Raise InputError unless there is exactly one column of this name, and it holds text."""
    found = schema.get_all_field_indices(name)
    if not found:
        texts = [field.name for field in schema if _is_text(field.type)] or schema.names
        raise InputError(
            where,
            f"there is no column {name!r}",
            f"Set `text_field` to one of {', '.join(texts) or '(it has no column)'}",
        )
    if len(found) > 1:
        raise InputError(where, f"{len(found)} columns are called {name!r}", "Rename one of them")
    kind = schema.field(found[0]).type
    if not _is_text(kind) and not pa.types.is_null(kind):
        raise InputError(
            where,
            f"column {name!r} holds {kind}, not text",
            "Set `text_field` to a column of text",
        )


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(kind) for check in checks)


register(ParquetReader())
