"""Files in a local folder: written beside their place, flushed, and moved there whole."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from typing_extensions import override

from raycl.errors import InputError
from raycl.storage.backend import PARTIAL, ConditionalFiles, Content, Entry, Files, Found

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class LocalFiles(Files):
    """Files below a local folder, which may lie on a file system shared by many machines."""

    def __init__(self, root: Path) -> None:
        self._root = self.local_root = root
        self.url = str(root)

    @override
    def conditional(self) -> ConditionalFiles:
        return self

    def _at(self, path: str) -> Path:
        return self._root / path if path else self._root

    @override
    def exists(self, path: str) -> bool:
        return self._at(path).exists()

    @override
    def size(self, path: str) -> int:
        with _explained(self._at(path)):
            facts = self._at(path).stat()
        if stat.S_ISDIR(facts.st_mode):
            raise FileNotFoundError(str(self._at(path)))
        return facts.st_size

    @override
    def read(self, path: str) -> bytes:
        with _explained(self._at(path)), _open_file(self._at(path)) as file:
            return file.read()

    @override
    def read_range(self, path: str, start: int, length: int) -> bytes:
        with _explained(self._at(path)), _open_file(self._at(path)) as file:
            file.seek(start)
            return file.read(length)

    def read_version(self, path: str) -> tuple[bytes, str]:
        """A whole file and its version; see `ConditionalFiles`."""
        data = self.read(path)
        return data, _version(data)

    @override
    def write(self, path: str, data: bytes | memoryview) -> None:
        self._replace(path, (data,))

    @override
    def write_stream(self, path: str, content: Content, size: int) -> None:
        self._replace(path, content())

    def _replace(self, path: str, pieces: Iterable[bytes | memoryview]) -> None:
        with self._beside(path, pieces) as partial:
            try:
                os.replace(partial, self._at(path))
            except IsADirectoryError as error:
                problem = "a folder, where a file belongs"
                raise InputError(str(self._at(path)), problem, "Move it elsewhere") from error

    def create(self, path: str, data: bytes) -> str | None:
        """Write a new file; see `ConditionalFiles`."""
        with self._beside(path, (data,)) as partial:
            try:
                # A link appears with all its content at once, and only where there is no file.
                os.link(partial, self._at(path))
            except FileExistsError:
                return None
        return _version(data)

    def replace(self, path: str, data: bytes, version: str) -> str | None:
        """Replace a file of this version; see `ConditionalFiles`."""
        with self._lock(path):
            if not self._has(path, version):
                return None
            self.write(path, data)
        return _version(data)

    def delete_if(self, path: str, version: str) -> bool:
        """Remove a file of this version; see `ConditionalFiles`."""
        with self._lock(path):
            if not self._has(path, version):
                return False
            self._at(path).unlink()
        return True

    @override
    def entries(self, path: str) -> Iterator[Entry]:
        try:
            with _explained(self._at(path)), os.scandir(self._at(path)) as found:
                yield from (Entry(entry.name, _is_folder(entry)) for entry in found)
        except FileNotFoundError:
            return
        except NotADirectoryError as error:
            raise _no_folder(self._at(path)) from error

    @override
    def found(self, path: str) -> Iterator[Found]:
        top = self._at(path)
        for folder, folders, names in os.walk(top, onerror=_unless_gone):
            for name in (*folders, *names):
                place = Path(folder, name)
                try:
                    facts = place.lstat()
                except FileNotFoundError:  # removed since the listing
                    continue
                is_file = not stat.S_ISDIR(facts.st_mode)
                yield Found(
                    place.relative_to(top).as_posix(),
                    facts.st_size if is_file else 0,
                    datetime.fromtimestamp(facts.st_mtime, UTC),
                    is_file,
                )

    @override
    def remove(self, path: str) -> None:
        self._at(path).unlink(missing_ok=True)

    @override
    def remove_folder(self, path: str) -> None:
        shutil.rmtree(self._at(path), ignore_errors=True)

    @contextmanager
    def _beside(self, path: str, pieces: Iterable[bytes | memoryview]) -> Iterator[Path]:
        """A temporary file beside its place that holds the pieces on disk, until the block ends."""
        target = self._at(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            place = next((p for p in target.parents if p.is_file()), target.parent)
            raise _no_folder(place) from error
        partial = target.with_name(f"{target.name}{PARTIAL}{uuid.uuid4().hex[:8]}")
        try:
            try:
                with open(partial, "wb") as file:
                    for piece in pieces:
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:  # the message of a full disk names no file
                reason = error.strerror or str(error)
                raise OSError(error.errno, reason, str(target)) from error
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _lock(self, path: str) -> Iterator[None]:
        """The lock of the file's folder, held while a version is compared and the file replaced.

        The system frees the lock of a killed process.
        """
        parent = self._at(path).parent
        parent.mkdir(parents=True, exist_ok=True)
        with open(parent / f"{PARTIAL}lock", "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _has(self, path: str, version: str) -> bool:
        try:
            return self.read_version(path)[1] == version
        except FileNotFoundError:
            return False


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or leads to one; a link that leads in a circle does not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _open_file(place: Path) -> BinaryIO:
    """The regular file at `place`, open for reading.

    To open a named pipe would wait for its writer, for ever where there is none. Raises InputError
    for a pipe, a socket or a device, and IsADirectoryError for a folder.
    """
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket cannot be opened at all
            raise _no_file(place, "a socket") from error
        raise
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind == stat.S_IFREG:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
    raise _no_file(place, _KINDS.get(kind, "something else"))


def _no_file(place: Path, found: str) -> InputError:
    return InputError(
        str(place), f"not a file but {found}", "Remove it, and restore the file from a copy"
    )


def _no_folder(place: Path) -> InputError:
    return InputError(str(place), "a file, not a folder", "Move it elsewhere")


def _unless_gone(error: OSError) -> None:
    """Raise an error of listing a folder, unless the folder is no longer there.

    A folder that cannot be read must not look like an empty one: what it refers to could be lost.
    """
    if isinstance(error, FileNotFoundError):
        return
    place = Path(str(error.filename))
    if isinstance(error, NotADirectoryError):
        raise _no_folder(place) from error
    with _explained(place):
        raise error


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    """Say what to do where the file system refuses to read: a missing right, a link to nothing."""
    try:
        yield
    except FileNotFoundError as error:
        if not place.is_symlink():
            raise
        remedy = "Remove it, or restore the file from a copy"
        raise InputError(str(place), "a link that leads nowhere", remedy) from error
    except PermissionError as error:
        remedy = "Give this user the right to read it"
        raise InputError(str(place), "it may not be read", remedy) from error
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENAMETOOLONG):
            raise
        problem = f"it cannot be read ({error.strerror})"
        raise InputError(str(place), problem, "Remove it, or restore it from a copy") from error
