"""Folders of input as one kind of tree: on this machine, links followed, or in an object store."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from pyarrow import fs as arrow_fs

from raycl.errors import InputError


@dataclass(frozen=True)
class FoundFile:
    """A file, and what its place knows of it without reading it."""

    path: str
    size: int
    """Bytes."""
    modified: int = 0
    """Nanoseconds since 1970; 0 where the place does not record it."""
    changed: int = 0
    """Local files: nanoseconds of the last change of content or name, which no program can set."""
    inode: int = 0
    device: int = 0
    sha256: str = ""
    """Of its bytes, where its place knows it unread; else empty."""

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two names of one file."""
        return (self.device, self.inode) if self.inode else (self.path,)


class Folder(ABC):
    """A folder whose content is looked up when it is asked for."""

    path: str

    @property
    @abstractmethod
    def identity(self) -> object:
        """Equal for two names of one folder."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names directly in it, sorted."""

    @abstractmethod
    def has_folder(self, name: str) -> bool:
        """Whether this name is that of a folder, or of a link to one."""

    @abstractmethod
    def child(self, name: str) -> FoundFile | Folder | None:
        """What has this name, links followed; None where there is nothing.

        Raises InputError where it can be neither read nor listed.
        """


class LocalFolder(Folder):
    """A folder of this machine."""

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def identity(self) -> object:
        """The folder's real path."""
        return os.path.realpath(self.path)

    def names(self) -> list[str]:
        """The names in it. Raises OSError where it cannot be listed."""
        return sorted(os.listdir(self.path))

    def has_folder(self, name: str) -> bool:
        """See `Folder`."""
        return os.path.isdir(os.path.join(self.path, name))

    def child(self, name: str) -> FoundFile | Folder | None:
        """See `Folder`."""
        return look_up(os.path.join(self.path, name))


def look_up(path: str) -> FoundFile | Folder | None:
    """What lies at a path of this machine, links followed; None where there is nothing.

    Raises InputError where a link leads nowhere, or it is neither file nor folder.
    """
    try:
        path.encode()
        facts = os.stat(path)
    except UnicodeEncodeError as error:
        problem = "its name is not UTF-8"
        raise InputError(f"input {path!r}", problem, "Rename the file") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(path):
            problem = f"a link to {os.readlink(path)!r}, which does not exist"
            raise InputError(path, problem, "Restore the file, or remove the link") from error
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"input {path!r}", f"it cannot be read ({reason})", "Give a readable file or folder"
        ) from error
    if stat.S_ISDIR(facts.st_mode):
        return LocalFolder(path)
    if not stat.S_ISREG(facts.st_mode):
        raise InputError(path, f"{_kind(facts.st_mode)}, not a file", "Give files only")
    return FoundFile(
        path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_dev
    )


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


@dataclass
class StoredFolder(Folder):
    """A folder of an object store, from one listing of everything below it."""

    path: str
    entries: dict[str, FoundFile | Folder] = field(default_factory=dict)

    @property
    def identity(self) -> object:
        """The folder's path: object stores know no links."""
        return self.path

    def names(self) -> list[str]:
        """The names in it."""
        return sorted(self.entries)

    def has_folder(self, name: str) -> bool:
        """See `Folder`."""
        return isinstance(self.entries.get(name), Folder)

    def child(self, name: str) -> FoundFile | Folder | None:
        """See `Folder`."""
        return self.entries.get(name)


def list_stored(file_system: arrow_fs.FileSystem, path: str) -> StoredFolder:
    """Everything below a folder of an object store. Raises OSError and pyarrow's errors."""
    top = StoredFolder(path)
    selector = arrow_fs.FileSelector(path, recursive=True, allow_not_found=True)
    for info in file_system.get_file_info(selector):
        if info.is_file:
            *folders, name = info.path[len(path) :].lstrip("/").split("/")
            folder = _made(top, folders)
            folder.entries[name] = stored_file(info)
    return top


def stored_file(info: arrow_fs.FileInfo) -> FoundFile:
    """An object with what the store knows of it."""
    return FoundFile(info.path, int(info.size), int(info.mtime_ns or 0))


def _made(top: StoredFolder, names: list[str]) -> StoredFolder:
    folder = top
    for name in names:
        below = folder.entries.get(name)
        if not isinstance(below, StoredFolder):
            below = folder.entries[name] = StoredFolder(f"{folder.path}/{name}")
        folder = below
    return folder
