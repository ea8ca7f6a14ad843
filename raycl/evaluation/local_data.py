"""Data sets of the harness' tasks from a local folder, in place of the hub's.

The harness asks `datasets.load_dataset` for `owner/name`. Inside `local_data` it gets the copy
below a folder instead, and no network is asked. No code that a data set brings is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raycl.errors import InputError

_FILES = frozenset({"json", "csv", "parquet", "text", "arrow"})
"""Names of `datasets` for files of a format, which a task then lists."""
_SAVED = "dataset_dict.json"
_PARQUET = "Copy its files as Parquet or JSON lines there, such as those of the hub's repository"


class LocalData:
    """The data sets below a folder, and which of them were asked for."""

    def __init__(self, root: Path, cache: Path) -> None:
        self._root, self._cache = root, cache
        self._used: dict[str, Path] = {}

    def folder(self, name: str) -> Path:
        """Where the data set called `owner/name` lies. Raises InputError where it is nowhere."""
        places = self._places(name)
        found = next((place for place in places if place.is_dir()), None)
        if found is None:
            looked = ", ".join(str(place) for place in places)
            raise InputError(
                f"--data {self._root}", f"it has no data set {name!r} ({looked})", _PARQUET
            )
        return found

    def load(self, path: str, name: str | None = None, **given: Any) -> Any:
        """What `datasets.load_dataset` gives. Raises InputError where the copy cannot be read."""
        given.pop("trust_remote_code", None)
        given["cache_dir"] = str(self._cache)
        if path in _FILES:
            _check_local(path, given.get("data_files"))
            return _load(path, name, given)
        folder = self._used[path] = self.folder(path)
        try:
            return _read(folder, name, given)
        except InputError:
            raise
        except Exception as error:  # `datasets` raises many kinds
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            of = f" ({name})" if name else ""
            raise InputError(str(folder), f"{path}{of} cannot be read: {line}", _PARQUET) from error

    @contextmanager
    def noted(self) -> Iterator[dict[str, Path]]:
        """The folders of the data sets that are asked for inside the block, by their names."""
        before, self._used = self._used, {}
        try:
            yield self._used
        finally:
            self._used = before | self._used

    def _places(self, name: str) -> list[Path]:
        """Folders in which a data set may lie; the last is a cache of the hub's client."""
        cached = self._root / f"datasets--{name.replace('/', '--')}"
        places = [self._root / name, self._root / name.rpartition("/")[2]]
        return [*dict.fromkeys(places), _snapshot(cached)]


@contextmanager
def local_data(root: Path, cache: Path) -> Iterator[LocalData]:
    """Let the harness read the data sets below `root`; `datasets` works in the folder `cache`.

    Raises InputError where there is no such folder.
    """
    if not root.is_dir():
        raise InputError(f"--data {root}", "no such folder", "Give the folder of your data sets")
    import datasets
    from huggingface_hub import constants

    data = LocalData(root.resolve(), cache)
    with (
        _replaced(datasets, "load_dataset", data.load),
        _replaced(datasets.config, "HF_HUB_OFFLINE", True),
        _replaced(constants, "HF_HUB_OFFLINE", True),
    ):
        yield data


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute of a module another value inside the block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def content_digest(folders: Mapping[str, Path]) -> str:
    """SHA-256 over the names of data sets and all their files but hidden ones."""
    digest = hashlib.sha256()
    for name, folder in sorted(folders.items()):
        digest.update(name.encode() + b"\0")
        for path in sorted(_shown_files(folder)):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + content)
    return digest.hexdigest()


def _shown_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _snapshot(cached: Path) -> Path:
    """The files of the main branch in a cache of the hub's client; where it has none, no folder."""
    reference = cached / "refs" / "main"
    if not reference.is_file():
        return cached / "snapshots" / "main"
    return cached / "snapshots" / reference.read_text().strip()


def _check_local(kind: str, files: Any) -> None:
    """Raise InputError where a file that a task lists is none of this machine."""
    for file in _listed(files):
        if not Path(file).exists():
            remedy = "Write a task YAML of your own that names a copy of the file"
            raise InputError(f"--data: {kind} file {file}", "it is not on this machine", remedy)


def _listed(files: Any) -> Collection[str]:
    if isinstance(files, Mapping):
        return [file for part in files.values() for file in _listed(part)]
    return [files] if isinstance(files, str) else list(files or ())


def _read(folder: Path, name: str | None, given: Mapping[str, Any]) -> Any:
    import datasets

    for place in (folder / (name or "."), folder):
        if (place / _SAVED).exists():
            found = datasets.load_from_disk(str(place))
            return found[given["split"]] if given.get("split") else found
    known = datasets.get_dataset_config_names(str(folder))
    if name is None or name in known:
        return _load(str(folder), name, given)
    if (folder / name).is_dir():  # files by configuration, without a README that says so
        return _load(str(folder), None, {**given, "data_dir": name})
    problem = f"it has no configuration {name!r}, only {', '.join(known)}"
    raise InputError(str(folder), problem, f"Copy the files of {name!r} into a folder of that name")


def _load(path: str, name: str | None, given: Mapping[str, Any]) -> Any:
    from datasets.load import load_dataset

    return load_dataset(path, name, **given)
