"""Hashes of files that were read before, kept in the user's cache folder.

A file is recognised by device, inode, size and both its times to the nanosecond. An edit that keeps
the size and sets the modification time back still changes `ctime`, which no program can set.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

FileKey = tuple[int, int, int, int, int]
_SETTLED_NANOSECONDS = 2 * 10**9
"""A file changed within this time may change again without another time: its clock is coarse."""


def file_key(path: Path) -> FileKey:
    """What recognises the present content of a file: device, inode, size, mtime and ctime."""
    facts = path.stat()
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def known_hashes(key: FileKey) -> dict[str, str] | None:
    """The hashes that were kept for a file; None where there are none, or they are not readable."""
    try:
        content = json.loads(_place(key).read_bytes())
        kept = content["hashes"]
        if content["key"] == list(key) and content["check"] == _check(kept):
            return {str(name): str(value) for name, value in kept.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    return None


def remember_hashes(key: FileKey, hashes: dict[str, str]) -> None:
    """Keep the hashes of a file, if it has not been changed just now and the cache is writable."""
    if time.time_ns() - max(key[3:]) < _SETTLED_NANOSECONDS:
        return
    place = _place(key)
    content = {"key": list(key), "hashes": hashes, "check": _check(hashes)}
    # Without a cache the file is only hashed again.
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(content))
        partial.replace(place)


def _check(hashes: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _place(key: FileKey) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    return cache / "raycl" / "hashes" / f"{name}.json"
