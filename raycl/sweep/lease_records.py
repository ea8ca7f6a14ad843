"""The files of leases: the holder of each node, and the heartbeat of each holder."""

from __future__ import annotations

import os
from typing import ClassVar

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.machine import this_machine
from raycl.storage.record import NewerFormatError, Record, parse_record, record_bytes

_UNKNOWN_HOLDER = "unknown"


class LeaseRecord(Record):
    """The holder of a node.

    Leases are compared by their bytes: those of one holder are always the same, and those of two
    holders differ.
    """

    WHAT: ClassVar[str] = "a lease on a node"
    REMEDY: ClassVar[str] = "Remove the file, if no sweep is running in this storage"

    holder: str


class Heartbeat(Record):
    """The file that a holder rewrites while it lives."""

    WHAT: ClassVar[str] = "the heartbeat of a sweep"
    REMEDY: ClassVar[str] = "Remove the file, if no sweep is running in this storage"

    beat: int
    """Counts up, so that every beat changes the file."""
    machine: str
    process: int


def lease_bytes(holder: str) -> bytes:
    """The whole file of a lease of this holder."""
    return record_bytes(LeaseRecord(holder=holder))


def holder_of(lease: bytes, where: str) -> str:
    """The holder that a lease names.

    A damaged lease names a holder that does not exist, so that its node can be taken over. One
    that a newer raycl wrote may be in use: NewerFormatError.
    """
    try:
        holder = parse_record(lease, LeaseRecord, where).holder
    except NewerFormatError:
        raise
    except InputError:
        return _UNKNOWN_HOLDER
    return holder if holder.isalnum() else _UNKNOWN_HOLDER  # it becomes part of a path


def heartbeat_bytes(beat: int) -> bytes:
    """The whole file of a beat of this process."""
    return record_bytes(Heartbeat(beat=beat, machine=this_machine(), process=os.getpid()))


def died_here(heartbeat: bytes) -> bool:
    """Whether the holder was a process of this machine, and is none any more.

    False for a file that is not understood: then only time tells.
    """
    try:
        found = parse_record(heartbeat, Heartbeat, "")
        if found.machine != this_machine() or found.process <= 0:
            return False
        os.kill(found.process, 0)  # signal 0 only asks whether the process is there
    except ProcessLookupError:
        return True
    except (InputError, OSError, OverflowError):
        return False
    return False


def find_holder(storage: Storage, node: str) -> str | None:
    """Who has a node now; None where nobody has it, or its lease cannot be read. One read."""
    path = layout.node_lease(node)
    try:
        return holder_of(storage.read_bytes(path), storage.full_path(path))
    except (FileNotFoundError, InputError):
        return None
