"""Parquet: one row a document, one column of which is the text."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.parquet as pq

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.readers.bad_record import BadRecord
from raycl.data.prepare.readers.columns import TextColumn
from raycl.data.prepare.readers.compression import UNREADABLE, unreadable
from raycl.data.prepare.readers.reader import Reader, register
from raycl.data.prepare.source import InputFile, Piece, TextSource
from raycl.errors import InputError


class ParquetReader(Reader):
    """Cuts a file between row groups, and reads only the column or leaf that holds the text."""

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
        text = TextColumn.find(schema, source.text_field, file.url)
        start = size = 0
        for group in range(metadata.num_row_groups):
            columns = (metadata.row_group(group).column(i) for i in range(metadata.num_columns))
            size += sum(
                column.total_uncompressed_size
                for column in columns
                if f"{column.path_in_schema}.".startswith(f"{text.dotted}.")
            )
            if size >= unit_bytes or group == metadata.num_row_groups - 1:
                yield Piece(file, start, group + 1), size
                start, size = group + 1, 0

    def documents(self, source: TextSource, piece: Piece) -> Iterator[str | BadRecord]:
        """The text of every row of the row groups; checksums of pages are verified."""
        row = 0
        try:
            for row, text in _texts(source.text_field, piece):  # noqa: B007
                yield text
        except UNREADABLE as error:
            raise unreadable(f"{piece.file.url} at or after row {row}", error) from error


def _texts(text_field: str, piece: Piece) -> Iterator[tuple[int, str | BadRecord]]:
    """The rows of the piece, counted from 0 in the file, and their texts."""
    url = piece.file.url
    file_system, path = open_file_system(url)
    stream = file_system.open_input_file(path)
    with pq.ParquetFile(stream, page_checksum_verification=True) as parquet:
        groups = [parquet.metadata.row_group(index).num_rows for index in range(piece.stop)]
        text = TextColumn.find(parquet.schema_arrow, text_field, url)
        row = sum(groups[: piece.start])
        for batch in parquet.iter_batches(
            batch_size=512, row_groups=range(piece.start, piece.stop), columns=[text.dotted]
        ):
            yield from text.read(batch, url, row)
            row += batch.num_rows


register(ParquetReader())
