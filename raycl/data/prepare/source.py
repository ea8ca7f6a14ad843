"""The input of a corpus: its source as a person names it, its files, and parts of files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raycl.errors import InputError


@dataclass(frozen=True)
class DatasetChoice:
    """Which part of a Hugging Face dataset is meant; None leaves it to the dataset."""

    split: str | None = None
    config: str | None = None
    revision: str | None = None
    """A branch, tag or commit of the hub."""


@dataclass(frozen=True)
class TextSource:
    """The documents of a corpus: files, globs or folders, local or on an object store.

    A text file is one document, unless `document_separator` says where documents end.
    """

    files: tuple[str, ...]
    text_field: str = "text"
    """The field of a JSON line, or the column of a Parquet file, that holds the text."""
    format: str = "auto"
    """The name of a reader, such as `jsonl`; `auto`: each file's suffix tells."""
    document_separator: str | None = None
    on_bad_record: str = "error"
    """What a record does that cannot be read: `error`, or `skip`, which passes it over."""
    dataset: DatasetChoice | None = None
    """That the files are those of a Hugging Face dataset, whose folder or name is in `files`."""

    def __post_init__(self) -> None:
        if isinstance(self.files, str):
            raise InputError(f"files {self.files!r}", "not a list", "Give a list of paths")
        object.__setattr__(self, "files", tuple(self.files))
        if self.document_separator == "":
            raise InputError("document_separator ''", "it is empty", "Leave it out, or give text")


@dataclass(frozen=True)
class InputFile:
    """One file as it was found."""

    url: str
    format: str
    """The name of the reader for it."""
    compression: str | None
    """Name of its compression, as pyarrow calls it; None where it has none."""
    size: int
    """Bytes, compressed."""
    modified: int
    """Nanoseconds since 1970; 0 where the store does not record it."""
    changed: int = 0
    """Nanoseconds since 1970 of a local file's last change, which no program can set; else 0."""
    inode: int = 0
    """The number of a local file in its file system; 0 elsewhere."""
    sha256: str = ""
    """Of its bytes, where its place knows it; else empty."""

    @property
    def facts(self) -> tuple[str, int, int, int, int]:
        """What is known of it unread; equal facts mean equal content where they hold a time."""
        return self.url, self.size, self.modified, self.changed, self.inode


@dataclass(frozen=True)
class Piece:
    """Part of a file, [start, stop) in what its reader counts: bytes, or row groups of Parquet."""

    file: InputFile
    start: int
    stop: int


@dataclass(frozen=True)
class TokenDocument:
    """A document that is tokens already."""

    url: str
    number: int
    """Counted from 0 within its file."""
    ids: np.ndarray
    """Whole numbers [tokens], as they lie there."""

    @property
    def place(self) -> str:
        """Where it lies, for errors."""
        return f"{self.url} document {self.number}"


Unit = tuple[Piece, ...]
"""The pieces that one task reads."""
