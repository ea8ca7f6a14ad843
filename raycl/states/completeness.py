"""Whether the files that the marks of states list are there: by listing them, without reading."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from raycl.errors import InputError
from raycl.states.mark import StateMark, read_mark
from raycl.storage import Storage, layout

_READERS = 16
"""Marks that are read at once, since each costs the time of a request and no work."""


def missing_files(storage: Storage, names: Collection[str]) -> dict[str, str]:
    """What is wrong with each of these states that lacks a file, or has a file of another size.

    Requests: one listing of `states/`, and one read of state.json for each name. A state without a
    mark is passed over. Raises InputError where a mark is damaged.
    """
    marks, damaged = read_marks(storage, names)
    if damaged:
        raise next(iter(damaged.values()))
    return files_missing(storage, marks)


def files_missing(storage: Storage, marks: Mapping[str, StateMark]) -> dict[str, str]:
    """The states that lack a file which their mark lists, or have it in another size: the file."""
    sizes = storage.sizes(layout.STATES) if marks else {}
    found = {name: _missing(storage, mark, sizes) for name, mark in marks.items()}
    return {name: problem for name, problem in found.items() if problem}


def read_marks(
    storage: Storage, names: Collection[str]
) -> tuple[dict[str, StateMark], dict[str, InputError]]:
    """The marks of these states, and what is wrong with the marks that are damaged, by name."""

    def read(name: str) -> StateMark | InputError | None:
        try:
            return read_mark(storage, name)
        except FileNotFoundError:
            return None
        except InputError as error:
            return error

    with ThreadPoolExecutor(_READERS) as pool:
        found = dict(zip(names, pool.map(read, names), strict=True))
    marks = {name: mark for name, mark in found.items() if isinstance(mark, StateMark)}
    return marks, {name: error for name, error in found.items() if isinstance(error, InputError)}


def _missing(storage: Storage, mark: StateMark, sizes: Mapping[str, int]) -> str:
    for file, facts in mark.files.items():
        path = f"{layout.state(mark.name)}/{file}"
        size = sizes.get(f"{mark.name}/{file}")
        # A store may list a new file late, so that a file which is not listed is asked for.
        if size is None and not storage.exists(path):
            return f"{storage.full_path(path)} is missing"
        if size is not None and size != facts.bytes:
            return f"{storage.full_path(path)} has {size:,} bytes where {facts.bytes:,} belong"
    return ""
