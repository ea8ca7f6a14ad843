"""Which files a corpus is read from, and how they are cut into units of work."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pyarrow as pa
from pyarrow import fs as arrow_fs

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.readers import READERS, reader_for_suffix, reader_named
from raycl.data.prepare.readers.compression import COMPRESSIONS
from raycl.data.prepare.source import InputFile, Piece, TextSource, Unit
from raycl.errors import InputError

UNIT_BYTES = 32 * 2**20


def find_files(source: TextSource) -> list[InputFile]:
    """Every input file, sorted by name; InputError where a pattern matches none."""
    found: dict[str, InputFile] = {}
    for pattern in source.files:
        try:
            matches = list(_matches(pattern))
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"input {pattern!r}",
                f"it cannot be listed ({error})",
                "Check the bucket's name, AWS_ENDPOINT_URL and the credentials",
            ) from error
        if not matches:
            raise InputError(
                f"input {pattern!r}", "no files match", "Give an existing file, folder or glob"
            )
        for url, info in matches:
            found[url] = _input_file(source, url, info)
    if not found:
        raise InputError("files []", "a corpus needs input", "Give at least one file")
    return [found[url] for url in sorted(found)]


def _matches(pattern: str) -> Iterator[tuple[str, arrow_fs.FileInfo]]:
    file_system, path = open_file_system(pattern)
    scheme, separator, rest = pattern.partition("://")
    # A query of an object store's URL (its region, its endpoint) belongs to every file found.
    query = f"?{rest.partition('?')[2]}" if separator and "?" in rest and scheme != "file" else ""
    user, at, _ = rest.partition("/")[0].rpartition("@")  # gs://anonymous@bucket
    is_local = isinstance(file_system, arrow_fs.LocalFileSystem)
    prefix = "" if is_local else f"{scheme}://{user}{at}"
    wildcard = re.search(r"[*?\[]", path)
    base = path[: wildcard.start()].rpartition("/")[0] if wildcard else path
    info = file_system.get_file_info(base)
    if info.type == arrow_fs.FileType.File and not wildcard:
        yield f"{prefix}{path}{query}", info
    if info.type != arrow_fs.FileType.Directory:
        return
    accepts = re.compile(_glob_expression(path[len(base) + 1 :]) if wildcard else r".*", re.DOTALL)
    selector = arrow_fs.FileSelector(base, recursive=True, allow_not_found=True)
    for entry in file_system.get_file_info(selector):
        relative = entry.path[len(base) :].lstrip("/")
        hidden = any(part.startswith(".") for part in relative.split("/"))
        if entry.is_file and not hidden and accepts.fullmatch(relative):
            yield f"{prefix}{entry.path}{query}", entry


def _glob_expression(pattern: str) -> str:
    """A regular expression for a glob in which `**/` means any number of folders."""
    known = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    return "".join(
        known.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts
    )


def _input_file(source: TextSource, url: str, info: arrow_fs.FileInfo) -> InputFile:
    stem, suffix = os.path.splitext(url.partition("?")[0])
    compression = COMPRESSIONS.get(suffix)
    if compression:
        suffix = os.path.splitext(stem)[1]
    by_suffix = source.format == "auto"
    reader = reader_for_suffix(suffix) if by_suffix else reader_named(source.format)
    if reader is None:
        known = ", ".join(suffix for known in READERS.values() for suffix in known.suffixes)
        raise InputError(
            url,
            f"unknown suffix {suffix!r}",
            f"Use {known} (also with {', '.join(COMPRESSIONS)}), or set `format`",
        )
    return InputFile(url, reader.name, compression, int(info.size), int(info.mtime_ns or 0))


def plan_units(
    source: TextSource, files: list[InputFile], unit_bytes: int = UNIT_BYTES
) -> tuple[list[Unit], int]:
    """Cut the files into units of about `unit_bytes` bytes of text; also all bytes to expect."""
    units: list[Unit] = []
    small: list[Piece] = []
    total = room = 0
    for file in files:
        for piece, size in reader_named(file.format).pieces(source, file, unit_bytes):
            total += size
            if small and room + size > unit_bytes:
                units.append(tuple(small))
                small, room = [], 0
            small.append(piece)
            room += size
    if small:
        units.append(tuple(small))
    return units, total
