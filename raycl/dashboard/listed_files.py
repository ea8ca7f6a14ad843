"""Files of a storage as one listing has found them, so that many reads cost few requests."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from raycl.errors import InputError
from raycl.storage.backend import PARTIAL, Entry, Found, ReadFiles

_READERS = 16
"""Files that are read at once, since each costs the time of a request and hardly any work."""
_MOST_BYTES = 2**20
"""A larger file is read each time that somebody needs it."""
_SETTLED = timedelta(seconds=3)
"""A file that was younger when it was read may have been replaced within its second since."""

Known = tuple[int, datetime | None, int]
"""What tells one content of a file from the next: its bytes, when it was written, and how often it
was read too soon after that."""


class ListedFiles(ReadFiles):
    """Files below some folders as they were at the last `look`; those elsewhere as they are.

    What is not listed is not there, which costs no request. A file whose size and time are those of
    an earlier look is not read again.
    """

    def __init__(self, files: ReadFiles, folders: Collection[str]) -> None:
        self._files, self._folders = files, tuple(folders)
        self.url, self.local_root, self.options = files.url, files.local_root, files.options
        self._found: dict[str, Found] = {}
        self._below: dict[str, dict[str, bool]] = {}
        self._content: dict[str, tuple[Known, bytes]] = {}
        self._too_soon: dict[str, int] = {}
        self._unsettled: set[str] = set()
        self._lock = threading.Lock()
        self.requests = 0
        """Listings and reads so far; a listing of many files takes a request for each 1,000."""

    def look(self) -> bool:
        """List all folders anew, at once; returns whether anything has changed since."""
        with ThreadPoolExecutor(len(self._folders)) as pool:
            listings = list(pool.map(self._listing, self._folders))
        found = {path: file for listing in listings for path, file in listing.items()}
        unsettled, self._unsettled = self._unsettled, set()
        for path in unsettled:
            self._too_soon[path] = self._too_soon.get(path, 0) + 1
        if found == self._found:
            return bool(unsettled)
        self._found, self._below = found, _children(found)
        self._content = {path: kept for path, kept in self._content.items() if path in found}
        return True

    def _known(self, path: str) -> Known:
        file = self._found[path]
        return file.bytes, file.modified, self._too_soon.get(path, 0)

    def _listing(self, folder: str) -> dict[str, Found]:
        self._count()
        below = {f"{folder}/{file.path}": file for file in self._files.found(folder)}
        return {path: file for path, file in below.items() if file.is_file and PARTIAL not in path}

    def _count(self) -> None:
        with self._lock:
            self.requests += 1

    def files_below(self, folder: str) -> Mapping[str, Known]:
        """Every listed file below a folder, with what tells its content from another one."""
        return {path: self._known(path) for path in self._paths(folder)}

    def _paths(self, folder: str) -> Iterator[str]:
        for name, is_folder in self._below.get(folder, {}).items():
            path = f"{folder}/{name}"
            if is_folder:
                yield from self._paths(path)
            else:
                yield path

    def modified(self, path: str) -> datetime | None:
        """When a listed file was written; None where it is not there, or that is not known."""
        file = self._found.get(path)
        return None if file is None else file.modified

    def fetch(self, paths: Iterable[str]) -> None:
        """Read those of the listed files that are not known yet, many at once."""
        wanted = [path for path in paths if path in self._found and self._kept(path) is None]
        if wanted:
            with ThreadPoolExecutor(_READERS) as pool:
                list(pool.map(self._fetched, wanted))

    def _fetched(self, path: str) -> None:
        try:
            self.read(path)
        except (OSError, InputError):  # whoever needs it is told
            return

    def _is_listed(self, path: str) -> bool:
        return path.partition("/")[0] in self._folders

    def _kept(self, path: str) -> bytes | None:
        kept = self._content.get(path)
        return None if kept is None or kept[0] != self._known(path) else kept[1]

    @override
    def exists(self, path: str) -> bool:
        if path in self._found or path in self._below:
            return True
        self._count()
        return self._files.exists(path)

    @override
    def size(self, path: str) -> int:
        return self._found[path].bytes if path in self._found else self._files.size(path)

    @override
    def read(self, path: str) -> bytes:
        if not self._is_listed(path):
            self._count()
            return self._files.read(path)
        if path not in self._found:
            raise FileNotFoundError(path)
        if (kept := self._kept(path)) is not None:
            return kept
        self._count()
        known, now = self._known(path), datetime.now(UTC)
        data = self._files.read(path)
        if len(data) <= _MOST_BYTES:
            self._content[path] = (known, data)
        if not _is_settled(known[1], now):
            self._unsettled.add(path)
        return data

    def forget(self, path: str) -> None:
        """Keep the content of a file no longer: it is not needed again."""
        self._content.pop(path, None)

    @override
    def read_range(self, path: str, start: int, length: int) -> bytes:
        if self._is_listed(path):
            return self.read(path)[start : start + length]
        self._count()
        return self._files.read_range(path, start, length)

    @override
    def entries(self, path: str) -> Iterator[Entry]:
        if self._is_listed(path):
            yield from (Entry(n, folder) for n, folder in self._below.get(path, {}).items())
        else:
            self._count()
            yield from self._files.entries(path)

    @override
    def found(self, path: str) -> Iterator[Found]:
        if not self._is_listed(path):
            self._count()
            yield from self._files.found(path)
            return
        for place in self._paths(path):
            file = self._found[place]
            yield Found(place.removeprefix(f"{path}/"), file.bytes, file.modified)


def _is_settled(modified: datetime | None, now: datetime) -> bool:
    """Whether every later write of the file would have another time."""
    if modified is None:
        return False
    return modified.microsecond > 0 or now - modified > _SETTLED


def _children(found: Iterable[str]) -> dict[str, dict[str, bool]]:
    """By folder, the names directly below it, and whether each is a folder."""
    below: dict[str, dict[str, bool]] = {}
    for path in found:
        folder, _, name = path.rpartition("/")
        is_folder = False
        while name and name not in below.setdefault(folder, {}):
            below[folder][name] = is_folder
            folder, _, name = folder.rpartition("/")
            is_folder = True
    return below
