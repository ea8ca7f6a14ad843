"""The text of a YAML file: what is no file of text is refused before it is parsed."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path

from raycl.errors import InputError
from raycl.units import format_bytes

LARGEST_BYTES = 2**20
"""Recipes have a few kilobytes. A file above this is something else, and would take long to read"""

_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TEXT = "Give a file of text in UTF-8"


def read_source(path: Path) -> str:
    """The text in a file. Raises InputError for whatever is not a small file of UTF-8."""
    where = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(where, "a folder, not a file", "Give the path of a YAML file in it")
        if not stat.S_ISREG(mode):
            # A pipe may never end, and reading a device may block.
            raise InputError(where, "not a regular file", "Write it to a file, and give its path")
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(where, "no such file", "Give the path of a YAML file") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problem = f"cannot be read ({reason})"
        raise InputError(
            where, problem, "Give the path of a YAML file that you may read"
        ) from error
    return decoded(data, where)


def decoded(data: bytes, where: str) -> str:
    """Bytes as text. Raises InputError where they are too many, binary or not UTF-8."""
    if len(data) > LARGEST_BYTES:
        problem = f"larger than {format_bytes(LARGEST_BYTES)}, which no recipe is"
        raise InputError(where, problem, "Give a recipe")
    if data.startswith(_WIDE):
        raise InputError(where, "not UTF-8 but UTF-16 or UTF-32", "Save it as UTF-8")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise InputError(f"{where}:{line}", "a binary file: it holds a byte of zero", _TEXT)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{data[error.start]:02x} is not valid UTF-8"
        raise InputError(f"{where}:{line}", problem, "Save it as UTF-8") from error
