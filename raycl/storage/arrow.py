"""Files in a store that pyarrow knows (gs://): written whole, but never on a condition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pyarrow as pa
from pyarrow import fs as arrow_fs
from typing_extensions import override

from raycl.errors import InputError
from raycl.storage.backend import Content, Entry, Files, Found
from raycl.storage.retries import Retries

Result = TypeVar("Result")


_GS_RETRY_SECONDS = 60
"""How long Google's own library tries again, credentials included; by default 15 minutes."""


def open_arrow(url: str) -> tuple[arrow_fs.FileSystem, str]:
    """The file system of pyarrow for a URL, and the path by which it knows the root.

    Raises what pyarrow does: ArrowException, ValueError, OSError.
    """
    if url.startswith("gs://") and "retry_limit_seconds=" not in url:
        url += f"{'&' if '?' in url else '?'}retry_limit_seconds={_GS_RETRY_SECONDS}"
    file_system, path = arrow_fs.FileSystem.from_uri(url)
    return file_system, str(path)


class ArrowFiles(Files):
    """Files below a URL. Raises InputError where pyarrow cannot open it."""

    def __init__(self, url: str, retries: Retries) -> None:
        self.url, self._retries = url, retries
        try:
            self._fs, self._root = open_arrow(url)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise InputError(
                f"storage {url!r}",
                str(error).partition("\n")[0],
                "Give a local path, or an s3:// or gs:// URL",
            ) from error

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}" if path else str(self._root)

    def _run(self, what: str, path: str, action: Callable[[], Result]) -> Result:
        return self._retries.run(f"{self.url}/{path}: {what}", action, _is_transient)

    @override
    def exists(self, path: str) -> bool:
        info = self._info(path)
        return bool(info.type != arrow_fs.FileType.NotFound)

    @override
    def size(self, path: str) -> int:
        info = self._info(path)
        if info.type != arrow_fs.FileType.File:
            raise FileNotFoundError(self._at(path))
        return int(info.size)

    def _info(self, path: str) -> arrow_fs.FileInfo:
        return self._run("looking", path, lambda: self._fs.get_file_info(self._at(path)))

    @override
    def read(self, path: str) -> bytes:
        def read() -> bytes:
            with self._fs.open_input_stream(self._at(path), compression=None) as stream:
                return bytes(stream.read())

        return self._run("reading", path, read)

    @override
    def read_range(self, path: str, start: int, length: int) -> bytes:
        def read() -> bytes:
            with self._fs.open_input_file(self._at(path)) as file:
                if start >= file.size():  # such a read would be an error
                    return b""
                return bytes(file.read_at(length, start))

        return self._run("reading", path, read)

    @override
    def write(self, path: str, data: bytes | memoryview) -> None:
        self.write_stream(path, lambda: (data,), len(data))

    @override
    def write_stream(self, path: str, content: Content, size: int) -> None:
        def write() -> None:
            # Not `with`: it would close the stream after an error too, and so publish half a file.
            # By itself pyarrow packs a file whose name ends with `.gz`.
            stream = self._fs.open_output_stream(self._at(path), compression=None)
            for piece in content():
                stream.write(piece)
            stream.close()

        self._run("writing", path, write)

    @override
    def entries(self, path: str) -> Iterator[Entry]:
        # In a listing of one level pyarrow leaves out folders that are only parts of names.
        folders: dict[str, bool] = {}
        for found in self.found(path):
            name, below, _ = found.path.partition("/")
            folders[name] = folders.get(name, False) or bool(below) or not found.is_file
        yield from (Entry(name, is_folder) for name, is_folder in folders.items())

    @override
    def found(self, path: str) -> Iterator[Found]:
        top = len(self._at(path)) + 1
        selector = arrow_fs.FileSelector(self._at(path), allow_not_found=True, recursive=True)
        for info in self._run("listing", path, lambda: self._fs.get_file_info(selector)):
            is_file = info.type == arrow_fs.FileType.File
            yield Found(info.path[top:], int(info.size) if is_file else 0, info.mtime, is_file)

    @override
    def remove(self, path: str) -> None:
        if self.exists(path):
            self._run("deleting", path, lambda: self._fs.delete_file(self._at(path)))

    @override
    def remove_folder(self, path: str) -> None:
        # `delete_dir` fails if the folder has no object of its own, which only pyarrow creates.
        at = self._at(path)
        self._run("deleting", path, lambda: self._fs.delete_dir_contents(at, missing_dir_ok=True))


def _is_transient(error: Exception) -> bool:
    """Whether another attempt may succeed.

    In pyarrow all errors of a store have one class, and only their text says of which kind.
    """
    refused = ("PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_ARGUMENT", "NOT_FOUND")
    if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError)):
        return False
    return isinstance(error, OSError) and not any(word in str(error) for word in refused)
