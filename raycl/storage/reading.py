"""Whole files of a storage, with a sentence where something else lies in the place of a file."""

from __future__ import annotations

from raycl.errors import InputError
from raycl.storage.store import Storage


def read_whole(storage: Storage, path: str, what: str, remedy: str) -> bytes:
    """The bytes of the file at `path`, which is `what` in messages.

    Raises FileNotFoundError where there is no file; InputError where there is a folder instead, or
    where the file may not or cannot be read.
    """
    try:
        return storage.read_bytes(path)
    except IsADirectoryError as error:
        raise InputError(storage.full_path(path), f"a folder, not {what}", remedy) from error
    except NotADirectoryError as error:
        raise InputError(storage.full_path(path), "a part of its path is a file", remedy) from error


def is_file(storage: Storage, path: str) -> bool:
    """Whether a file lies at `path`: no folder, and no link to nothing."""
    try:
        storage.size(path)
    except FileNotFoundError:
        return False
    return True
