"""What a back end has to do: the face that local folders and object stores share.

A new back end is a class of `Files` in a module of this package, and a line in
`raycl.storage.backends`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from raycl.storage.options import S3Options

Content = Callable[[], Iterable[bytes | memoryview]]
"""The bytes of a file piece by piece. It is called again where the file is written again."""

PARTIAL = ".partial-"
"""Part of the name of every unfinished file, and of every file that raycl writes for itself."""


@dataclass(frozen=True)
class Entry:
    """One name directly below a folder."""

    name: str
    is_folder: bool


@dataclass(frozen=True)
class Found:
    """A file or folder at any depth below a listed one."""

    path: str
    """Relative to the listed folder."""
    bytes: int
    """0 for a folder."""
    modified: datetime | None
    """None where the store does not record it, as object stores do for folders."""
    is_file: bool = True


class ReadFiles(ABC):
    """Files below a root, to be read; paths are relative to it and have been checked."""

    url: str
    """The root, in the form in which messages show it and other machines open it."""
    local_root: Path | None = None
    """The root as a folder of this machine; None where it is remote."""
    options: S3Options | None = None
    """Further facts that other machines need to open the same place."""

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""

    @abstractmethod
    def size(self, path: str) -> int:
        """Bytes of a file. Raises FileNotFoundError."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """A whole file. Raises FileNotFoundError."""

    @abstractmethod
    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Bytes [start, start + length), fewer where the file ends. Raises FileNotFoundError."""

    @abstractmethod
    def entries(self, path: str) -> Iterable[Entry]:
        """The entries directly below a folder, in no order; empty where there is no folder."""

    @abstractmethod
    def found(self, path: str) -> Iterable[Found]:
        """Files and folders at any depth below a folder, in no order; empty where there is none."""


class Files(ReadFiles):
    """Files below a root that can be written and removed too: what a back end is."""

    def check(self) -> None:
        """Raise InputError where the place is known to be missing. By default nothing is known."""
        return

    def conditional(self) -> ConditionalFiles | None:
        """The same files with writes on a condition; None where the place has none."""
        return None

    @abstractmethod
    def write(self, path: str, data: bytes | memoryview) -> None:
        """Replace a file: afterwards it holds `data`, or what it held before."""

    def write_stream(self, path: str, content: Content, size: int) -> None:
        """Replace a file of `size` bytes whose content is made piece by piece; see `write`.

        A back end that can writes the pieces as they come; by default they are joined first.
        """
        del size
        self.write(path, b"".join(content()))

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file; nothing happens where there is none."""

    @abstractmethod
    def remove_folder(self, path: str) -> None:
        """Remove a folder and all below it; nothing happens where there is none."""


class ConditionalFiles(Protocol):
    """Files that can be written on the condition that no other process has written them meanwhile.

    A version names a file's content. Equal contents may have equal versions, so that a writer that
    must tell its own write from others' writes something unique.
    """

    def read_version(self, path: str) -> tuple[bytes, str]:
        """A whole file and its version. Raises FileNotFoundError."""

    def create(self, path: str, data: bytes) -> str | None:
        """Write a new file; None where there is one: of many who try, one succeeds."""

    def replace(self, path: str, data: bytes, version: str) -> str | None:
        """Replace a file of this version; None where it has another by now, or is gone."""

    def delete_if(self, path: str, version: str) -> bool:
        """Remove a file of this version; False where it has another by now, or is gone."""
