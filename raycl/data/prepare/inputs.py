"""Which files a corpus is read from, and how they are cut into units of work."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as arrow_fs

from raycl.errors import InputError
from raycl.storage.arrow import open_arrow
from raycl.storage.options import S3Options, arrow_arguments, s3_options
from raycl.storage.urls import refuse_secret

_ATTEMPTS = 10
UNIT_BYTES = 32 * 2**20
Format = Literal["text", "jsonl", "parquet"]
_FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
# Only for the number of shards: what text usually shrinks by.
_TYPICAL_RATIO = {None: 1, "gzip": 3, "zstd": 3, "bz2": 4}


@dataclass(frozen=True)
class TextSource:
    """The documents of a corpus: files, globs or folders, local or on an object store.

    A text file is one document, unless `document_separator` says where documents end.
    """

    files: tuple[str, ...]
    text_field: str = "text"
    format: Literal["auto", "text", "jsonl", "parquet"] = "auto"
    document_separator: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.files, str):
            raise InputError(f"files {self.files!r}", "not a list", "Give a list of paths")
        object.__setattr__(self, "files", tuple(self.files))
        if self.document_separator == "":
            raise InputError("document_separator ''", "it is empty", "Leave it out, or give text")


@dataclass(frozen=True)
class InputFile:
    """One file as found; `version` (size and time) tells whether it has changed since."""

    url: str
    format: Format
    compression: str | None
    size: int
    modified: int

    @property
    def version(self) -> list[Any]:
        """What a manifest records of this file."""
        return [self.url, self.size, self.modified]


@dataclass(frozen=True)
class Piece:
    """Part of a file: bytes [start, stop) of text, or row groups [start, stop) of Parquet."""

    file: InputFile
    start: int
    stop: int


Unit = tuple[Piece, ...]


@cache
def _object_store(scheme_and_bucket: str) -> tuple[arrow_fs.FileSystem, str]:
    return open_arrow(scheme_and_bucket)


@cache
def _s3_store(options: S3Options) -> arrow_fs.FileSystem:
    strategy = arrow_fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS)
    return arrow_fs.S3FileSystem(**arrow_arguments(options), retry_strategy=strategy)


def open_file_system(url: str) -> tuple[arrow_fs.FileSystem, str]:
    """The file system that holds `url`, and the path by which it knows it."""
    if "://" not in url or url.startswith("file://"):
        local = os.path.expanduser(url.removeprefix("file://"))
        return arrow_fs.LocalFileSystem(), os.path.abspath(local)
    refuse_secret(url, "input")
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("?")[0].partition("/")
    query = url.partition("?")[2] if scheme in ("s3", "gs") else ""
    if scheme == "s3" and not query and s3_options() != S3Options():
        return _s3_store(s3_options()), f"{bucket}/{key}" if key else bucket
    try:
        file_system, root = _object_store(f"{scheme}://{bucket}" + (f"?{query}" if query else ""))
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise InputError(
            f"input {url!r}", str(error), "Give a local path, or an s3:// or gs:// URL"
        ) from error
    return file_system, f"{root}/{key}" if key else root


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
    compression = _COMPRESSIONS.get(suffix)
    if compression:
        suffix = os.path.splitext(stem)[1]
    kind = _FORMATS.get(suffix) if source.format == "auto" else source.format
    if kind is None:
        raise InputError(
            url,
            f"unknown suffix {suffix!r}",
            f"Use {', '.join(_FORMATS)} (also with {', '.join(_COMPRESSIONS)}), or set `format`",
        )
    return InputFile(url, kind, compression, int(info.size), int(info.mtime_ns or 0))


def plan_units(
    source: TextSource, files: list[InputFile], unit_bytes: int = UNIT_BYTES
) -> tuple[list[Unit], int]:
    """Cut the files into units of about `unit_bytes`; also the bytes of text to expect."""
    units: list[Unit] = []
    small: list[Piece] = []
    total = room = 0
    for file in files:
        for piece, size in _pieces(source, file, unit_bytes):
            total += size
            if small and room + size > unit_bytes:
                units.append(tuple(small))
                small, room = [], 0
            small.append(piece)
            room += size
    if small:
        units.append(tuple(small))
    return units, total


def _pieces(source: TextSource, file: InputFile, unit: int) -> Iterator[tuple[Piece, int]]:
    """Pieces of one file, each with the bytes of text to expect in it."""
    if file.format == "parquet":
        yield from _row_groups(source, file, unit)
    elif file.format == "jsonl" and file.compression is None:
        for start in range(0, file.size, unit):
            stop = min(start + unit, file.size)
            yield Piece(file, start, stop), stop - start
    else:
        yield Piece(file, 0, file.size), file.size * _TYPICAL_RATIO[file.compression]


def _row_groups(source: TextSource, file: InputFile, unit: int) -> Iterator[tuple[Piece, int]]:
    file_system, path = open_file_system(file.url)
    try:
        metadata = pq.read_metadata(path, filesystem=file_system)
    except (pa.ArrowException, OSError) as error:
        raise InputError(file.url, f"not a Parquet file ({error})", "Give a valid file") from error
    names = metadata.schema.to_arrow_schema().names
    if source.text_field not in names:
        raise InputError(
            file.url,
            f"there is no column {source.text_field!r}",
            f"Set `text_field` to one of {', '.join(names)}",
        )
    start = size = 0
    for group in range(metadata.num_row_groups):
        columns = (metadata.row_group(group).column(i) for i in range(metadata.num_columns))
        size += sum(
            column.total_uncompressed_size
            for column in columns
            if column.path_in_schema.split(".")[0] == source.text_field
        )
        if size >= unit or group == metadata.num_row_groups - 1:
            yield Piece(file, start, group + 1), size
            start, size = group + 1, 0
