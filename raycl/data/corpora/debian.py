"""Text out of Debian packages: downloaded, unpacked into a temporary folder, never installed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

DOWNLOAD_SECONDS = 900


class NotObtainable(Exception):
    """The reason why a corpus cannot be had in one way on this machine; another way may work."""


def cache_folder() -> Path:
    """Where downloaded packages are kept: below `$XDG_CACHE_HOME`, or `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "raycl" / "debian"


def package_file(
    names: tuple[str, ...], cache: Path, progress: Callable[[str], None]
) -> tuple[str, Path]:
    """(name, file) of the first of the packages that can be had. Raises NotObtainable.

    A package in the cache is used as it is, without a network, so that a corpus stays the same
    until the cache is emptied.
    """
    for name in names:
        # Files in the cache are complete: they are moved there after the download.
        found = sorted(cache.glob(f"{name}_*.deb"), key=lambda file: file.stat().st_mtime)
        if found:
            return name, found[-1]
    cache.mkdir(parents=True, exist_ok=True)
    progress(f"downloading the Debian package {names[0]}")
    problems = []
    for name in names:
        try:
            return name, _download(name, cache)
        except NotObtainable as problem:
            problems.append(str(problem))
    raise NotObtainable("; ".join(dict.fromkeys(problems)))


def refresh_lists(progress: Callable[[str], None]) -> bool:
    """Fetch Debian's package lists, which a fresh container lacks; False where we may not."""
    if os.geteuid() != 0:
        return False
    progress("updating Debian's package lists (apt-get update)")
    try:
        _run("apt-get", "update", "-qq")
    except NotObtainable:
        return False
    return True


def version(file: Path) -> str:
    """The version of a package file. Raises NotObtainable."""
    return _run("dpkg-deb", "--field", str(file), "Version").strip()


def unpack(file: Path, folder: Path) -> None:
    """Unpack the package's files into the folder. A damaged file leaves the cache."""
    try:
        _run("dpkg-deb", "--extract", str(file), str(folder))
    except NotObtainable as problem:
        file.unlink(missing_ok=True)
        raise NotObtainable(f"{problem} (the damaged file was removed; try again)") from problem


def _download(name: str, cache: Path) -> Path:
    with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as folder:
        # apt verifies size and checksum against the signed lists; it writes to the current folder.
        _run("apt-get", "download", "-o", "Acquire::Retries=1", name, folder=Path(folder))
        files = list(Path(folder).glob("*.deb"))
        if not files:
            raise NotObtainable(f"apt-get download {name} brought no file")
        return files[0].replace(cache / files[0].name)


def _run(*command: str, folder: Path | None = None) -> str:
    """The command's output. Raises NotObtainable with the last line of its complaint."""
    called = " ".join(command[:2])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        )
    except FileNotFoundError:
        raise NotObtainable(f"there is no {command[0]} on this machine") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotObtainable(f"{called} failed ({error})") from error
    if done.returncode != 0:
        complaint = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise NotObtainable(f"{called} failed ({complaint[-1].strip()})")
    return done.stdout
