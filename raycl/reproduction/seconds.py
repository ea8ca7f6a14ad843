"""How long the experiments of a storage took, over all runs of `raycl reproduce` together."""

from __future__ import annotations

from typing import ClassVar

from raycl.storage import Storage, layout
from raycl.storage.record import Record, find_record, write_record


class SecondsRecord(Record):
    """Wall time that preparing and training took so far."""

    WHAT: ClassVar[str] = "the time that the experiments took"
    REMEDY: ClassVar[str] = "Remove the file: the time is then counted from zero"

    seconds: float


def training_seconds(storage: Storage) -> float:
    """Wall time in seconds that preparing and training took so far."""
    found = find_record(storage, layout.REPRODUCTION_SECONDS, SecondsRecord)
    return found.seconds if found else 0.0


def add_seconds(storage: Storage, seconds: float) -> None:
    """Count the wall time of another run."""
    total = training_seconds(storage) + seconds
    write_record(storage, layout.REPRODUCTION_SECONDS, SecondsRecord(seconds=total))
