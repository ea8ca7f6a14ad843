"""Checks of a stored state: its mark, the state before it, and every byte of its files."""

from __future__ import annotations

from collections.abc import Iterator

from raycl.errors import InputError
from raycl.states.history import read_history
from raycl.states.lookup import is_complete
from raycl.states.mark import REMEDY, FileFacts, StateMark, read_mark
from raycl.storage import Storage, layout
from raycl.storage.backend import PARTIAL
from raycl.storage.streams import crc32_of


def state_faults(storage: Storage, name: str) -> Iterator[InputError]:
    """Everything that is wrong with a state; nothing where it was removed meanwhile."""
    try:
        mark = read_mark(storage, name)
    except FileNotFoundError:
        return
    except InputError as error:
        yield error
        return
    for file, facts in mark.files.items():
        yield from _file_faults(storage, f"{layout.state(name)}/{file}", facts)
    yield from _history_faults(storage, mark)
    yield from _strangers(storage, mark)
    for other in (mark.previous, *_origins(mark)):
        if other is not None and not is_complete(storage, other):
            yield InputError(
                storage.full_path(layout.state_mark(name)),
                f"the state {other}, which it needs, is not there",
                "Restore that state, or run `raycl sweep` again, which trains it to the same bits",
            )


def _origins(mark: StateMark) -> tuple[str, ...]:
    return mark.merged.merged_states if mark.merged else ()


def _file_faults(storage: Storage, path: str, facts: FileFacts) -> Iterator[InputError]:
    try:
        where = storage.full_path(path)
        found = FileFacts(**dict(zip(("bytes", "crc32"), crc32_of(storage, path), strict=True)))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        yield InputError(where, "the file is missing", REMEDY)
    except InputError as error:
        yield error
    else:
        if found.bytes != facts.bytes:
            yield InputError(where, f"{found.bytes:,} bytes where {facts.bytes:,} belong", REMEDY)
        elif found != facts:
            yield InputError(where, "it does not match its checksum", REMEDY)


def _history_faults(storage: Storage, mark: StateMark) -> Iterator[InputError]:
    """What is wrong with a history whose bytes are those that were written."""
    try:
        read_history(storage, mark)
    except InputError as error:
        if "checksum" not in error.problem and "missing" not in error.problem:
            yield error


def _strangers(storage: Storage, mark: StateMark) -> Iterator[InputError]:
    """Shards that the mark does not list: whoever loads the state would read them too."""
    files = storage.list(layout.state(mark.name))
    if layout.STATE_REDUCED in files:
        return  # a change of what it holds was killed; nobody loads what it left
    for file in files:
        if file.endswith(".safetensors") and file not in mark.files and PARTIAL not in file:
            where = storage.full_path(f"{layout.state(mark.name)}/{file}")
            yield InputError(where, "not a file of this state", "Remove it")
