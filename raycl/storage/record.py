"""Typed JSON files in storage: one reader and one writer for all of them.

A record names the format in which it was written, and carries a checksum of its content. So a file
of a newer raycl, a damaged file and a file of another kind are told apart before their content is
used. A file without a format has format 1 and may lack a checksum; every other file has one.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import Any, ClassVar, TypeVar

import pydantic

from raycl.errors import InputError
from raycl.storage.reading import read_whole
from raycl.storage.store import Storage, json_bytes

_FORMAT, _CHECKSUM = "format", "crc32"
_MOST_BYTES = 2**28
"""A longer file is no record: the tree of 100,000 nodes has a tenth of it."""
_STRICT = pydantic.ConfigDict(
    frozen=True,
    strict=True,
    extra="forbid",
    ser_json_inf_nan="constants",  # the default writes a loss that is not finite as null
)
AnyRecord = TypeVar("AnyRecord", bound="Record")


class NewerFormatError(InputError):
    """A record that a newer raycl wrote: nothing is wrong with it, but it cannot be read here."""


class Part(pydantic.BaseModel):
    """A part of a record that has fields of its own."""

    model_config = _STRICT


class Record(pydantic.BaseModel):
    """One JSON file of a storage. A subclass names its fields, and what it is in messages.

    A field without a default has to be in the file. Unknown fields are refused, because a file with
    more than its reader understands may mean something else. So a change that adds, removes or
    alters a field also raises `FORMAT`.
    """

    model_config = _STRICT

    FORMAT: ClassVar[int] = 1
    """The format that is written. `upgraded` reads the older ones."""
    WHAT: ClassVar[str]
    """The file's name in messages, such as `the mark of a state`."""
    REMEDY: ClassVar[str]
    """The remedy in messages about a damaged file."""

    @classmethod
    def upgraded(cls, data: Any, written: int) -> Any:
        """The content of a file in the older format `written` as a mapping of this class's fields.

        May raise ValueError, TypeError, LookupError or AttributeError where `data` is something
        else: the reader turns them into its InputError.
        """
        del written
        return data


def write_record(storage: Storage, path: str, record: Record) -> None:
    """Replace the file at `path` by the record, with its format and checksum."""
    storage.write_json(path, _content(record))


def record_bytes(record: Record) -> bytes:
    """The bytes of a record's file; equal records have equal bytes.

    Fields that were left at their defaults are not written: they say the same when they are read.
    """
    return json_bytes(_content(record))


def _content(record: Record) -> dict[str, Any]:
    content = record.model_dump(mode="json", exclude_unset=True)
    return sealed(content | {_FORMAT: record.FORMAT})


def find_record(storage: Storage, path: str, kind: type[AnyRecord]) -> AnyRecord | None:
    """The record at `path`, or None where there is no file. Raises InputError as `read_record`."""
    try:
        return read_record(storage, path, kind)
    except FileNotFoundError:
        return None


def read_record(storage: Storage, path: str, kind: type[AnyRecord]) -> AnyRecord:
    """The record at `path`.

    Raises FileNotFoundError where there is no file; NewerFormatError where a newer raycl wrote it;
    InputError where it is damaged, or is something else.
    """
    where = storage.full_path(path)
    _check_size(storage, path, kind)
    return parse_record(read_whole(storage, path, kind.WHAT, kind.REMEDY), kind, where)


def _check_size(storage: Storage, path: str, kind: type[Record]) -> None:
    """Raise InputError for a local file that no record is as long as; a request is not spent."""
    if storage.local_root is None:
        return
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # reading will say it
        if (size := storage.size(path)) > _MOST_BYTES:
            problem = f"{size:,} bytes are too many for {kind.WHAT}"
            raise InputError(storage.full_path(path), problem, kind.REMEDY)


def parse_record(data: bytes, kind: type[AnyRecord], where: str) -> AnyRecord:
    """The record in the bytes of its file; `where` names it. Raises InputError as `read_record`."""
    try:
        content, unsealed = json.loads(data), False
        written = _format(content, kind, where)
        if isinstance(content, dict):
            unsealed = _CHECKSUM not in content and _FORMAT in content
            if _CHECKSUM in content and content[_CHECKSUM] != checksum(content):
                raise InputError(where, "it does not match its checksum", kind.REMEDY)
            content = {k: v for k, v in content.items() if k not in (_FORMAT, _CHECKSUM)}
        current = content if written == kind.FORMAT else kind.upgraded(content, written)
        # As JSON text: a strict model takes a list for a tuple from JSON, but not from Python.
        record = kind.model_validate_json(json.dumps(current))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        problem = f"not {kind.WHAT} ({place}: {first['msg']})"
        raise InputError(where, problem, kind.REMEDY) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(where, f"not valid JSON ({error})", kind.REMEDY) from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise InputError(where, f"not {kind.WHAT}", kind.REMEDY) from error
    if unsealed:  # every raycl that writes a format writes a checksum too
        raise InputError(where, "its checksum is missing", kind.REMEDY)
    return record


def _format(content: Any, kind: type[Record], where: str) -> int:
    """The format that a file says it was written in."""
    written = content.get(_FORMAT, 1) if isinstance(content, dict) else 1
    if isinstance(written, bool) or not isinstance(written, int) or written < 1:
        raise InputError(where, f"{written!r} is not the number of a format", kind.REMEDY)
    if written > kind.FORMAT:
        raise NewerFormatError(
            where,
            f"{kind.WHAT} in format {written}; this raycl reads formats up to {kind.FORMAT}",
            "Use the raycl that wrote it, or a newer one",
        )
    return written


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """The content with its own checksum added."""
    return {**content, _CHECKSUM: checksum(content)}


def checksum(content: dict[str, Any]) -> int:
    """zlib.crc32 of the content without its checksum, as JSON with sorted keys."""
    plain = {key: value for key, value in content.items() if key != _CHECKSUM}
    return zlib.crc32(json.dumps(plain, sort_keys=True).encode())
