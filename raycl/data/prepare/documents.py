"""The documents of a unit of work, one by one, with errors that name the file and the line."""

from __future__ import annotations

from collections.abc import Iterator

from raycl.data.prepare.readers import reader_named
from raycl.data.prepare.readers.compression import UNREADABLE, unreadable
from raycl.data.prepare.source import TextSource, Unit


def read_documents(source: TextSource, unit: Unit) -> Iterator[str]:
    """Every document of the unit that is not blank. Raises InputError."""
    for piece in unit:
        try:
            for text in reader_named(piece.file.format).documents(source, piece):
                if text and not text.isspace():
                    yield text
        except UNREADABLE as error:
            raise unreadable(piece.file.url, error) from error
