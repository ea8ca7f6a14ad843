"""Files by pattern, with the rules of `fnmatch`; `**/` means any folders, none included.

A name that exists is that file or folder, whatever characters it has. Hidden names have to be
written with their dot. Each real file is found once, however many names lead to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from raycl.data.prepare.folders import Folder, FoundFile
from raycl.data.prepare.marker_files import is_marker, is_marker_folder

_WILDCARD = re.compile(r"[*?\[]")
_ANY_FOLDERS = "**"


@dataclass
class Search:
    """One walk: what it found, and what it passed over: marker files, and folders."""

    found: list[FoundFile] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    """Folders that a pattern for files matches. What lies in them belongs to another pattern."""
    _visited: set[tuple[object, tuple[str, ...]]] = field(default_factory=set)

    def below(self, folder: Folder, segments: tuple[str, ...], entered: bool = False) -> None:
        """Find every file that the segments of a pattern name below a folder.

        `entered`: the folders in it are looked into anyhow.
        """
        # A link may lead back to a folder above it. Equal folders have equal files below them.
        visit = (folder.identity, segments)
        if visit in self._visited:
            return
        self._visited.add(visit)
        first, rest = segments[0], segments[1:]
        if first == _ANY_FOLDERS:
            self._below_any(folder, rest)
            return
        for name in _matching(folder, first):
            if folder.has_folder(name) != bool(rest):
                if not rest and not entered and not is_marker_folder(name):
                    self.folders.append(f"{folder.path}/{name}")
                continue
            ignores = self._ignores_folder if rest else self._ignores_file
            if name == first or first.startswith("_") or not ignores(folder, name):
                self._enter(folder, name, rest)

    def _below_any(self, folder: Folder, rest: tuple[str, ...]) -> None:
        self.below(folder, rest or ("*",), entered=True)
        for name in _visible(folder):
            # Only folders are looked at: what else lies here need not belong to the pattern.
            if folder.has_folder(name) and not self._ignores_folder(folder, name):
                entry = folder.child(name)
                if isinstance(entry, Folder):
                    self.below(entry, (_ANY_FOLDERS, *rest))

    def _enter(self, folder: Folder, name: str, rest: tuple[str, ...]) -> None:
        entry = folder.child(name)
        if isinstance(entry, Folder):
            self.below(entry, rest)
        elif entry is not None:
            self.found.append(entry)

    def _ignores_file(self, folder: Folder, name: str) -> bool:
        if is_marker(name):
            self.ignored.append(f"{folder.path}/{name}")
        return is_marker(name)

    def _ignores_folder(self, folder: Folder, name: str) -> bool:
        if is_marker_folder(name):
            self.ignored.append(f"{folder.path}/{name}")
        return is_marker_folder(name)


def has_wildcard(segment: str) -> bool:
    """Whether a name is a pattern unless a file has exactly this name."""
    return _WILDCARD.search(segment) is not None


def _matching(folder: Folder, segment: str) -> list[str]:
    names = folder.names()
    if segment in names:
        return [segment]
    hidden = segment.startswith(".")
    return [n for n in names if n.startswith(".") <= hidden and fnmatchcase(n, segment)]


def _visible(folder: Folder) -> Iterator[str]:
    return (name for name in folder.names() if not name.startswith("."))
