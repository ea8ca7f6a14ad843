"""Parquet: one row a document, one column of which is the text."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.readers.checks import BadDocumentError, checked_text
from raycl.data.prepare.readers.reader import Reader, register
from raycl.data.prepare.source import InputFile, Piece, TextSource
from raycl.errors import InputError


class ParquetReader(Reader):
    """Cuts a file between row groups, and reads only the column of the text."""

    name = "parquet"
    suffixes = (".parquet",)

    def pieces(
        self, source: TextSource, file: InputFile, unit_bytes: int
    ) -> Iterator[tuple[Piece, int]]:
        """As many row groups as hold `unit_bytes` of text."""
        file_system, path = open_file_system(file.url)
        try:
            metadata = pq.read_metadata(path, filesystem=file_system)
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                file.url, f"not a Parquet file ({error})", "Give a valid file"
            ) from error
        names = metadata.schema.to_arrow_schema().names
        if source.text_field not in names:
            raise InputError(
                file.url,
                f"there is no column {source.text_field!r}",
                f"Set `text_field` to one of {', '.join(names)}",
            )
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
        """The text of every row of the row groups."""
        file_system, path = open_file_system(piece.file.url)
        with pq.ParquetFile(file_system.open_input_file(path)) as parquet:
            groups = [parquet.metadata.row_group(index).num_rows for index in range(piece.stop)]
            row = sum(groups[: piece.start])
            for batch in parquet.iter_batches(
                batch_size=512,
                row_groups=range(piece.start, piece.stop),
                columns=[source.text_field],
            ):
                for value in batch.column(0).to_pylist():
                    try:
                        text = checked_text(value, source.text_field)
                    except BadDocumentError as bad:
                        raise bad.at(f"{piece.file.url} row {row}") from bad
                    yield text
                    row += 1


register(ParquetReader())
