"""Whether bytes and values are text, with what is wrong where they are not."""

from __future__ import annotations

from typing import Any

from raycl.data.prepare.readers.bad_record import BadRecord, Place

NULL, NOT_TEXT, NOT_UTF8 = "null", "not text", "not UTF-8"
NOT_JSON, NO_FIELD = "not JSON", "no such field"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_OTHER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x1f\x8b": "gzip, not text"}


class BadDocumentError(Exception):
    """What is wrong with one document; the reader adds the place and yields a BadRecord.

    `reason` is its kind in a few words, by which such documents are counted.
    """

    def __init__(self, reason: str, problem: str, remedy: str, lines_into_it: int = 0) -> None:
        super().__init__(problem)
        self.reason, self.problem, self.remedy = reason, problem, remedy
        self.lines_into_it = lines_into_it

    def at(self, url: str, kind: str, number: int, start: int = 0) -> BadRecord:
        """The record with its place, as `Place` has it."""
        place = Place(url=url, kind=kind, number=number + self.lines_into_it, start=start)
        return BadRecord(place, self.reason, self.problem, self.remedy)


def checked_text(value: Any, text_field: str) -> str:
    """The value of a field or column, which must be text. Raises BadDocumentError."""
    if not isinstance(value, str):
        kind = "null" if value is None else type(value).__name__
        raise BadDocumentError(
            NULL if value is None else NOT_TEXT,
            f"field {text_field!r} is {kind}, not text",
            "Correct or drop this document",
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadDocumentError(
            NOT_UTF8,
            f"field {text_field!r} holds half of a surrogate pair",
            "Correct or drop this document",
        ) from error
    return value


def decode(data: bytes, offset: int = 0) -> str:
    """UTF-8 bytes as text, without a byte order mark. Raises BadDocumentError.

    `offset` is the place of the bytes in their file, for the error.
    """
    try:
        return data.removeprefix(BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        # The error's own object is what was decoded: without the mark.
        start = error.start + len(data) - len(error.object)
        guess = _OTHER_MARKS.get(data[:2]) if offset == 0 else None
        raise BadDocumentError(
            NOT_UTF8,
            f"not valid UTF-8 (byte {data[start]:#04x} at offset {offset + start})"
            + (f"; it looks like {guess}" if guess else ""),
            "Convert the file to UTF-8",
            lines_into_it=data[:start].count(b"\n"),
        ) from error


def refuse_nul(text: str) -> str:
    """The plain text. Raises BadDocumentError where it holds a NUL: then it is something else."""
    place = text.find("\0")
    if place >= 0:
        raise BadDocumentError(
            "a NUL byte",
            "it holds a NUL byte, so that it is no plain text (binary, or UTF-16)",
            "Convert the file to UTF-8, or remove the NUL bytes",
            lines_into_it=text[:place].count("\n"),
        )
    return text
