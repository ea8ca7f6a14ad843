"""A record that cannot be read, and its place in the text."""

from __future__ import annotations

from dataclasses import dataclass

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.readers.compression import CHUNK_BYTES, UNREADABLE, unreadable
from raycl.errors import InputError
from raycl.storage.record import Part


class Place(Part):
    """Where a record lies. Lines of a file that is read in parts are numbered within their part."""

    url: str
    kind: str
    """What is counted: `line` and `item` from 1, `row` from 0."""
    number: int
    start: int = 0
    """Where the part begins in which lines are counted, in bytes."""

    def __str__(self) -> str:
        """The place in the whole file. Raises InputError where the lines cannot be counted."""
        before = _lines_before(self.url, self.start) if self.start else 0
        return f"{self.url} {self.kind} {before + self.number}"


@dataclass(frozen=True)
class BadRecord:
    """What a reader yields in place of a text: the place, and what is wrong there."""

    place: Place
    reason: str
    """What is wrong in a few words, by which such records are counted."""
    problem: str
    remedy: str

    def error(self) -> InputError:
        """The error for the user. Counts lines, if there is need of it."""
        remedy = f"{self.remedy}; a corpus with `on_bad_record: skip` passes it over"
        return InputError(str(self.place), self.problem, remedy)


def _lines_before(url: str, start: int) -> int:
    """The lines of an unpacked file that begin before the byte `start`."""
    file_system, path = open_file_system(url)
    try:
        # A line that ends with the byte before `start` is the last one to begin before it.
        with file_system.open_input_file(path) as stream:
            left, lines = start - 1, 1
            while left > 0 and (chunk := stream.read(min(left, CHUNK_BYTES))):
                lines += chunk.count(b"\n")
                left -= len(chunk)
    except UNREADABLE as error:
        raise unreadable(url, error) from error
    return lines
