"""SHA-256 of input files, by which a corpus knows its text wherever the files lie.

A file that is as it was needs no second reading: the digests of its place, size, times and inode
are kept in the manifest of the corpus, and below the user's cache folder on this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from raycl.data.prepare.file_systems import is_local, open_file_system
from raycl.data.prepare.folders import FoundFile, look_up
from raycl.data.prepare.readers.compression import UNREADABLE, unreadable
from raycl.data.prepare.source import InputFile
from raycl.errors import InputError
from raycl.storage.options import s3_options

Progress = Callable[[str, int, int], None]
_CHUNK_BYTES = 4 * 2**20
_THREADS = 8
_FINE, _COARSE = 50_000_000, 2_000_000_000
"""Nanoseconds within which a second change may leave a file's times as they are."""

_known: dict[str, str] = {}
"""What this process has looked up or computed: key of a file's facts -> SHA-256."""


def digests(
    files: Iterable[InputFile],
    recorded: Mapping[tuple[Any, ...], str] | None = None,
    progress: Progress | None = None,
) -> dict[str, str]:
    """The SHA-256 of every file by its URL; only files that nobody knows are read.

    `recorded` are digests by the facts of files, from a manifest. Raises InputError where a file
    cannot be read, or changes meanwhile.
    """
    listed = list(files)
    found = {file.url: _find(file, recorded or {}) for file in listed}
    missing = [file for file in listed if found[file.url] is None]
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        for number, (file, digest) in enumerate(
            zip(missing, pool.map(hash_file, missing), strict=True), start=1
        ):
            found[file.url] = digest
            if progress:
                progress("read", number, len(missing))
    return {url: digest for url, digest in found.items() if digest is not None}


def unknown(files: Iterable[InputFile]) -> list[InputFile]:
    """The files whose digests this machine does not know."""
    return [file for file in files if _find(file, {}) is None]


def hash_file(file: InputFile) -> str:
    """SHA-256 of the file's bytes as they lie there; remembered. Raises InputError."""
    settled = is_settled(file)
    digest = hashlib.sha256()
    file_system, path = open_file_system(file.url)
    try:
        with file_system.open_input_stream(path) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except UNREADABLE as error:
        raise unreadable(file.url, error) from error
    check_unchanged(file)
    if settled:
        remember(file, digest.hexdigest())
    return digest.hexdigest()


def check_unchanged(file: InputFile) -> None:
    """Raise InputError where a local file is not what it was when it was found."""
    if not is_local(file.url):
        return
    now = look_up(file.url)
    same = isinstance(now, FoundFile) and (now.size, now.modified, now.changed, now.inode) == (
        file.size,
        file.modified,
        file.changed,
        file.inode,
    )
    if not same:
        raise InputError(
            file.url, "it changed while it was read", "Run again when nothing writes it"
        )


def is_settled(file: InputFile) -> bool:
    """Whether a later change of the file is sure to show in its times.

    Clocks of file systems tick every few milliseconds, those of object stores every second.
    """
    latest = max(file.modified, file.changed)
    ticks = _FINE if file.changed % 1_000_000_000 else _COARSE
    return file.modified > 0 and time.time_ns() - latest > ticks


def remember(file: InputFile, digest: str) -> None:
    """Keep a file's digest for this process and the next ones; a full disk is no error."""
    key = _key(file)
    _known[key] = digest
    path = _cache_file(key)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(digest)
        os.replace(partial, path)


def _find(file: InputFile, recorded: Mapping[tuple[Any, ...], str]) -> str | None:
    if file.sha256:
        return file.sha256
    if file.modified == 0:
        return None
    key = _key(file)
    known = recorded.get(file.facts) or _known.get(key)
    if known is None:
        try:
            known = _cache_file(key).read_text(errors="replace")
        except OSError:
            return None
        if len(known) != 64 or not set(known) <= set("0123456789abcdef"):
            return None
        _known[key] = known
    return known


def _key(file: InputFile) -> str:
    # The same URL is another object in another store.
    store = None if is_local(file.url) else s3_options().endpoint
    return hashlib.sha256(json.dumps([store, *file.facts]).encode()).hexdigest()


def _cache_file(key: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "raycl" / "digests" / key[:2] / key
