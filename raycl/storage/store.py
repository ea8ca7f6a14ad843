"""One interface to local paths and object stores.

A `Storage` is a root URL (`/some/path`, `file:///…`, `s3://bucket/prefix`, `gs://…`); every other
argument is a path relative to it, with forward slashes. Files appear complete or not at all: a
local file is written beside its place and renamed, an object appears when its last byte is there.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from raycl.errors import InputError
from raycl.storage.backend import PARTIAL, ConditionalFiles, Content, Files, Found, ReadFiles
from raycl.storage.backends import open_files
from raycl.storage.options import S3Options
from raycl.storage.requests import REQUESTS, Kind
from raycl.storage.retries import Retries

_COPY_BYTES = 16 * 2**20


class Storage:
    """The files below one root URL.

    `options` say which S3 store is meant; without them the environment does. They are sent to other
    machines together with the storage, credentials never are. `retries` hold for every request to a
    remote store.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        options: S3Options | None = None,
        retries: Retries | None = None,
    ) -> None:
        self._files = open_files(os.fspath(url), options, retries or Retries())
        self.url, self.local_root = self._files.url, self._files.local_root
        self.options, self.retries = self._files.options, retries

    def __repr__(self) -> str:
        return f"Storage({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.options, self.retries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Storage):
            return NotImplemented
        return (self.url, self.options) == (other.url, other.options)

    def __hash__(self) -> int:
        return hash((self.url, self.options))

    def full_path(self, path: str) -> str:
        """The path with its root in front, for messages and for local tools.

        Raises InputError where the path leaves the root, by ".." or through a link on disk.
        """
        return f"{self.url}/{self._checked(path)}" if path else self.url

    def _checked(self, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/") or "\0" in path:
            raise InputError(f"path {path!r}", "it leaves the storage root", "Give a path below it")
        if self.local_root is not None and not self._is_inside(path):
            raise InputError(
                f"path {path!r} in {self.url}",
                "a symbolic link leads out of the storage root",
                "Put the files themselves there, or mount their folder",
            )
        return path

    def _is_inside(self, path: str) -> bool:
        real = os.path.realpath(f"{self.url}/{path}")
        return real == self.url or real.startswith(self.url.rstrip("/") + "/")

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder at `path`."""
        return self._read("look").exists(self._checked(path))

    def size(self, path: str) -> int:
        """Bytes of the file at `path`. Raises FileNotFoundError."""
        return self._read("look").size(self._checked(path))

    def read_bytes(self, path: str) -> bytes:
        """The whole file. Raises FileNotFoundError."""
        return self._read("read").read(self._checked(path))

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Bytes [start, start + length) of the file; fewer where the file ends."""
        return self._read("read").read_range(self._checked(path), start, length)

    def read_json(self, path: str) -> Any:
        """The file parsed as JSON. Raises FileNotFoundError; InputError where it is not JSON."""
        try:
            return json.loads(self.read_bytes(path))
        except ValueError as error:
            raise InputError(
                self.full_path(path), f"not valid JSON ({error})", "Remove the file and run again"
            ) from error

    def write_bytes(self, path: str, data: bytes) -> None:
        """Replace the file at `path`: afterwards it holds `data`, or what it held before."""
        self._asked("write").write(self._checked(path), data)

    def write_stream(self, path: str, content: Content, size: int) -> None:
        """Replace the file at `path` by the `size` bytes that `content` gives piece by piece.

        It appears complete or not at all, as with `write_bytes`; few pieces are in memory at once.
        `content` is called again where an upload has to begin again. An error that it raises ends
        the write and leaves nothing.
        """
        self._asked("write").write_stream(self._checked(path), content, size)

    def write_json(self, path: str, value: Any) -> None:
        """Replace the file at `path` by `value` as readable JSON."""
        self.write_bytes(path, json_bytes(value))

    def read_version(self, path: str) -> tuple[bytes, str]:
        """The whole file, and its version for `replace` and `delete_if`.

        A version names the content: two writes of equal content may have the same version.
        Raises FileNotFoundError; InputError where the store has no conditional writes (gs://).
        """
        return self._conditional("read").read_version(self._checked(path))

    def create(self, path: str, data: bytes) -> str | None:
        """Write a new file and return its version; None, and nothing written, if there is one.

        Of any number of writers that try at once, exactly one succeeds.
        """
        return self._conditional("write").create(self._checked(path), data)

    def replace(self, path: str, data: bytes, version: str) -> str | None:
        """Replace the file if it still has `version` and return the new version; else None.

        None is also the result where the write succeeded, its answer was lost, and others have
        replaced the file since. A writer that has to know writes something unique and looks for it.
        A file that is written on a condition must not be written by `write_bytes` as well.
        """
        return self._conditional("write").replace(self._checked(path), data, version)

    def delete_if(self, path: str, version: str) -> bool:
        """Remove the file if it still has this version; returns whether it had."""
        return self._conditional("remove").delete_if(self._checked(path), version)

    @property
    def has_conditional_writes(self) -> bool:
        """Whether `create`, `replace` and `delete_if` are possible (not at gs://)."""
        return self._files.conditional() is not None

    def _read(self, kind: Kind) -> ReadFiles:
        """The files to read, for one request that is counted."""
        REQUESTS[kind] += 1
        return self._files

    def _asked(self, kind: Kind) -> Files:
        """The files to write, for one request that is counted."""
        REQUESTS[kind] += 1
        return self._files

    def _conditional(self, kind: Kind) -> ConditionalFiles:
        files = self._asked(kind).conditional()
        if files is None:
            raise InputError(
                f"storage {self.url!r}",
                "no conditional writes are possible there",
                "Use the store's S3 interface: s3:// with AWS_ENDPOINT_URL",
            )
        return files

    def list(self, path: str = "") -> list[str]:
        """Names (not paths) directly below the folder, sorted; empty where it does not exist.

        Files that are being written, or whose writer was killed, are not among them. Some stores
        (SeaweedFS) go on listing a folder after its last file: ask `exists` where that matters.
        """
        entries = self._read("list").entries(self._checked(path))
        return sorted({entry.name for entry in entries if PARTIAL not in entry.name})

    def sizes(self, path: str = "") -> dict[str, int]:
        """Bytes of every file at any depth below the folder, by its path relative to that."""
        files = (entry for entry in self.everything_below(path) if entry.is_file)
        return {file.path: file.bytes for file in files if PARTIAL not in file.path}

    def remove(self, path: str) -> None:
        """Remove the file; nothing happens where it is missing."""
        self._asked("remove").remove(self._checked(path))

    def everything_below(self, path: str) -> Sequence[Found]:
        """All files and folders below the folder, files being written included; one listing.

        Empty folders are found where the place knows such a thing.
        """
        return list(self._read("list").found(self._checked(path)))

    def remove_folder(self, path: str) -> None:
        """Remove the folder and all that is below it; nothing happens where it is missing."""
        self._asked("remove").remove_folder(self._checked(path))

    def upload_file(self, local: Path, path: str) -> None:
        """Write the content of a local file, which is not read into memory as a whole."""
        with local.open("rb") as file:
            empty = os.fstat(file.fileno()).st_size == 0  # an empty file cannot be mapped
            data = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._asked("write").write(self._checked(path), memoryview(data))

    def upload_folder(self, local: Path, path: str) -> None:
        """Copy every file below `local` to the folder `path`; to the root where that is empty."""
        for file in sorted(p for p in local.rglob("*") if p.is_file()):
            name = file.relative_to(local).as_posix()
            self.upload_file(file, f"{path}/{name}" if path else name)

    def download_folder(self, path: str, local: Path) -> None:
        """Copy every file directly below the folder `path` to the local folder `local`."""
        local.mkdir(parents=True, exist_ok=True)
        for entry in self._read("list").entries(self._checked(path)):
            if not entry.is_folder and PARTIAL not in entry.name:
                file = f"{path}/{entry.name}" if path else entry.name
                self.download_file(file, local / entry.name)

    def download_file(self, path: str, local: Path) -> None:
        """Copy a file, which is not read into memory as a whole. Raises FileNotFoundError."""
        size = self.size(path)
        with local.open("wb") as file:
            for start in range(0, size, _COPY_BYTES):
                file.write(self.read_range(path, start, _COPY_BYTES))

    def check_writable(self) -> None:
        """Raise InputError if the place does not exist or nothing can be written there."""
        probe = f".write-probe-{uuid.uuid4().hex[:8]}"
        try:
            self._files.check()
            self.write_bytes(probe, b"raycl")
            self.remove(probe)
        except (OSError, pa.ArrowException) as error:
            remedy = "Give a folder or bucket you may write to, or free some space"
            if self.options is not None:
                endpoint = self.options.endpoint or "Amazon S3"
                remedy += f"; check the endpoint (AWS_ENDPOINT_URL, now {endpoint})"
            raise InputError(
                f"storage {self.url!r}", f"it is not writable ({error})", remedy
            ) from error


def json_bytes(value: Any) -> bytes:
    """Readable JSON with sorted keys: equal values have equal bytes."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def scratch_folder(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """A local folder for files on their way up; removed when its `with` block ends."""
    return tempfile.TemporaryDirectory(prefix=f"raycl-{prefix}-")
