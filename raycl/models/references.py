"""Which pretrained model a folder or hub name was, when a storage last saw it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from raycl.models.read import local_folder
from raycl.models.start import Start
from raycl.models.store import stored_start
from raycl.storage import Storage, layout
from raycl.storage.record import Record, find_record, write_record


class ReferenceRecord(Record):
    """The pretrained model that a reference meant."""

    WHAT: ClassVar[str] = "the record of a pretrained model's name"
    REMEDY: ClassVar[str] = "Remove the file: the next sweep from the model's folder writes it anew"

    reference: str
    """The absolute path of a folder, or a name on the hub."""
    identifier: str
    config: Mapping[str, Any]
    """The configuration beside the weights: the same weights may lie elsewhere with another one."""
    commit: str
    """The commit on the hub; empty for a folder."""


def remember(storage: Storage, start: Start, base: Path) -> None:
    """Record which model the reference of `start` is."""
    name = start.reference if start.commit else str(local_folder(start.reference, base))
    record = ReferenceRecord(
        reference=name, identifier=start.identifier, config=start.config, commit=start.commit
    )
    if find_record(storage, _place(name), ReferenceRecord) != record:
        write_record(storage, _place(name), record)


def remembered(storage: Storage, name: str, reference: str) -> Start | None:
    """The stored model that `name`, an absolute path or a hub name, was; None for an unknown one.

    `reference` is how the user wrote it.
    """
    record = find_record(storage, _place(name), ReferenceRecord)
    if record is None:
        return None
    return stored_start(storage, record.identifier, reference, record.config)


def _place(name: str) -> str:
    return layout.start_reference(hashlib.sha256(name.encode()).hexdigest()[:32])
