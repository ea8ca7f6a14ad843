"""Who prepares a corpus now: two preparations from different text never write at the same time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.machine import process_start, this_machine
from raycl.storage.record import Record, parse_record, record_bytes

_ATTEMPTS = 20


class PreparationClaim(Record):
    """The process that prepares a corpus, and what it makes the corpus from."""

    WHAT: ClassVar[str] = "the claim of a preparation"
    REMEDY: ClassVar[str] = "Remove the file if no other command prepares this corpus"

    key: str
    """Names input and settings: equal preparations may run side by side."""
    machine: str
    process: int
    started: str


@contextmanager
def claimed(storage: Storage, name: str, key: str) -> Iterator[None]:
    """Within the block this process prepares the corpus called `name` from what `key` names.

    Raises InputError where another process that may still run prepares it from something else.
    Where the store has no conditional writes, nothing is claimed.
    """
    if not storage.has_conditional_writes:
        yield
        return
    path = layout.preparation_claim(layout.corpus(name))
    mine = record_bytes(
        PreparationClaim(
            key=key,
            machine=this_machine(),
            process=os.getpid(),
            started=process_start(os.getpid()) or "",
        )
    )
    _claim(storage, name, path, mine)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            data, version = storage.read_version(path)
            if data == mine:
                storage.delete_if(path, version)


def _claim(storage: Storage, name: str, path: str, mine: bytes) -> None:
    where = storage.full_path(path)
    key = parse_record(mine, PreparationClaim, where).key
    for _ in range(_ATTEMPTS):
        if storage.create(path, mine):
            return
        try:
            data, version = storage.read_version(path)
        except FileNotFoundError:  # removed meanwhile: the other one has ended
            continue
        other = parse_record(data, PreparationClaim, where)
        if other.key == key:
            return
        if not _is_gone(other):
            raise _taken(storage, name, path, other)
        if storage.replace(path, mine, version):
            return
    raise InputError(where, "it changes without end", "Let one command prepare this corpus")


def _is_gone(other: PreparationClaim) -> bool:
    """Whether the process was one of this machine, and is none any more."""
    return other.machine == this_machine() and process_start(other.process) != other.started


def _taken(storage: Storage, name: str, path: str, other: PreparationClaim) -> InputError:
    host = other.machine.partition("/")[0]
    remedy = "Wait until it has ended, or give this text another corpus name"
    if other.machine != this_machine():
        remedy += f". If it has ended, remove {storage.full_path(path)}"
    return InputError(
        f"corpus {name!r}",
        f"another command (process {other.process} on {host}) prepares it from other text or "
        "settings at this moment",
        remedy,
    )
