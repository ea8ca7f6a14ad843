"""Typed JSON files in storage: one reader and one writer for all of them.

A record says which format it was written in and carries a checksum of what it says, so that a
newer file, a damaged file and a file of something else are told apart before anything is done with
their content. Files from before formats were counted have neither and are of format 1.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, ClassVar, TypeVar

import pydantic

from raycl.errors import InputError
from raycl.storage.store import Storage

_FORMAT, _CHECKSUM = "format", "crc32"
AnyRecord = TypeVar("AnyRecord", bound="Record")


class Record(pydantic.BaseModel):
    """One JSON file of a storage. A subclass names its fields, and what it is in messages."""

    model_config = pydantic.ConfigDict(frozen=True, strict=True, extra="forbid")

    FORMAT: ClassVar[int] = 1
    """Raised when the meaning of the file changes; `upgraded` then reads the older ones."""
    WHAT: ClassVar[str]
    """What the file is, as a message calls it: `the mark of a state`."""
    REMEDY: ClassVar[str]
    """What a person can do about a damaged one."""

    @classmethod
    def upgraded(cls, data: Any, _format: int) -> Any:
        """The content of an older format as a mapping of this one's fields."""
        return data


def write_record(storage: Storage, path: str, record: Record) -> None:
    """Replace the file at `path` by the record, with its format and checksum."""
    storage.write_json(path, sealed(record.model_dump(mode="json") | {_FORMAT: record.FORMAT}))


def read_record(storage: Storage, path: str, kind: type[AnyRecord]) -> AnyRecord:
    """The record at `path`.

    Raises FileNotFoundError where there is none; InputError where it is damaged, is something
    else, or was written by a newer raycl.
    """
    where = storage.full_path(path)
    try:
        data = json.loads(storage.read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"not valid JSON ({error})", kind.REMEDY) from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise InputError(where, f"a folder, not {kind.WHAT}", kind.REMEDY) from error
    return parse_record(data, kind, where)


def parse_record(data: Any, kind: type[AnyRecord], where: str) -> AnyRecord:
    """The record in parsed JSON; `where` names its file. Raises InputError as `read_record`."""
    written = data.get(_FORMAT, 1) if isinstance(data, dict) else 1
    if isinstance(written, bool) or not isinstance(written, int) or written < 1:
        raise InputError(where, f"its format {written!r} is none", kind.REMEDY)
    if written > kind.FORMAT:
        raise InputError(
            where,
            f"{kind.WHAT} in format {written}; this raycl reads formats up to {kind.FORMAT}",
            "Use the raycl that wrote it, or a newer one",
        )
    if isinstance(data, dict):
        if _CHECKSUM in data and data[_CHECKSUM] != checksum(data):
            raise InputError(where, "it does not match its checksum", kind.REMEDY)
        data = {key: value for key, value in data.items() if key not in (_FORMAT, _CHECKSUM)}
    try:
        upgraded = data if written == kind.FORMAT else kind.upgraded(data, written)
        # As JSON, where a list may be a tuple: a strict model takes none from Python's own.
        return kind.model_validate_json(json.dumps(upgraded))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(
            where, f"not {kind.WHAT} ({place}: {first['msg']})", kind.REMEDY
        ) from error
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(where, f"not {kind.WHAT}", kind.REMEDY) from error


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """The content with a checksum of what it says."""
    return {**content, _CHECKSUM: checksum(content)}


def checksum(content: dict[str, Any]) -> int:
    """zlib.crc32 of the content without its checksum, as JSON with sorted keys."""
    plain = {key: value for key, value in content.items() if key != _CHECKSUM}
    return zlib.crc32(json.dumps(plain, sort_keys=True).encode())
