"""The documents of a unit of work, one by one, with errors that name the file and the line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from raycl.data.prepare.passed_over import Tally
from raycl.data.prepare.readers import reader_named
from raycl.data.prepare.readers.bad_record import BadRecord
from raycl.data.prepare.readers.compression import UNREADABLE, unreadable
from raycl.data.prepare.source import TextSource, Unit

# White space, and what Unicode calls Default_Ignorable_Code_Point (DerivedCoreProperties.txt):
# zero-width spaces and joiners, byte order marks, soft hyphens, marks of direction, fillers.
_CONTENTLESS = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)


def read_documents(source: TextSource, unit: Unit, tally: Tally | None = None) -> Iterator[str]:
    """Every document of the unit with something to be seen in it; `tally` counts the others.

    Raises InputError where a file is damaged, and for a record that cannot be read unless the
    source passes such records over.
    """
    tally = tally or Tally()
    for record in _records(source, unit):
        if isinstance(record, BadRecord):
            if source.on_bad_record != "skip":
                raise record.error()
            tally.add(record)
        elif _CONTENTLESS.fullmatch(record):
            tally.contentless += 1
        else:
            yield record


def _records(source: TextSource, unit: Unit) -> Iterator[str | BadRecord]:
    for piece in unit:
        try:
            yield from reader_named(piece.file.format).documents(source, piece)
        except UNREADABLE as error:
            raise unreadable(piece.file.url, error) from error
