"""Arrow files, streams or random access, as `save_to_disk` of Hugging Face's datasets writes them.

One row is a document, one column of which is the text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa

from raycl.data.prepare.readers.bad_record import BadRecord
from raycl.data.prepare.readers.columns import TextColumn
from raycl.data.prepare.readers.compression import UNREADABLE, open_unpacked, unreadable
from raycl.data.prepare.readers.reader import Reader, register
from raycl.data.prepare.source import Piece, TextSource

_OF_FILES = b"ARROW1"
"""The first bytes of a file for random access: a stream follows, at the next multiple of 8."""
_HEAD_BYTES = 8


class ArrowReader(Reader):
    """Reads a file from its beginning, batch by batch: a stream has no index."""

    name = "arrow"
    suffixes = (".arrow",)
    reads_compressed = False

    def documents(self, source: TextSource, piece: Piece) -> Iterator[str | BadRecord]:
        """The text of every row, counted from 0."""
        url, row = piece.file.url, 0
        try:
            with (
                open_unpacked(piece.file) as stream,
                pa.ipc.open_stream(_at_schema(stream)) as rows,
            ):
                text = TextColumn.find(rows.schema, source.text_field, url)
                for batch in rows:
                    _check(batch, text)
                    for _, document in text.read(batch, url, row):
                        yield document
                    row += batch.num_rows
        except UNREADABLE as error:
            raise unreadable(f"{url} at or after row {row}", error) from error


def _at_schema(stream: io.BufferedReader) -> io.BufferedReader:
    """The stream at its first message, which both kinds of files have."""
    if stream.peek(_HEAD_BYTES).startswith(_OF_FILES):
        stream.read(_HEAD_BYTES)
    return stream


def _check(batch: pa.RecordBatch, text: TextColumn) -> None:
    """Raise pyarrow's errors where a damaged file has texts begin or end outside of it."""
    batch.validate()
    values = text.values(batch)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        # As bytes: a text that is not UTF-8 is one bad record, not a damaged file.
        large = pa.types.is_large_string(values.type)
        values = values.cast(pa.large_binary() if large else pa.binary())
    values.validate(full=True)


register(ArrowReader())
