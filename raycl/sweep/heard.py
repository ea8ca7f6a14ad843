"""When the process that trains a node was last heard of: one that is gone trains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from raycl.storage import Storage, layout
from raycl.sweep.leases import STALE_SECONDS
from raycl.watch.live_record import LiveNode


def heartbeats(storage: Storage) -> dict[str, datetime]:
    """When each process that trains was last heard of, by the clock of the store. One listing."""
    files = storage.everything_below(layout.lease_holders())
    return {file.path: file.modified for file in files if file.modified is not None}


def own_record(record: LiveNode | None, holder: str | None) -> LiveNode | None:
    """The live record where the holder of the node has written it, and not one before."""
    return record if record is not None and holder in (None, record.holder) else None


def last_heard(
    record: LiveNode | None, holder: str | None, beats: Mapping[str, datetime]
) -> datetime | None:
    """When a node's holder was last heard of; None where that is not known."""
    own = own_record(record, holder)
    told = (own.updated if own is not None else None, beats.get(holder) if holder else None)
    return max((at for at in told if at is not None), default=None)


def is_silent(heard: datetime | None, now: datetime) -> bool:
    """Whether nothing was heard for longer than other sweeps would wait.

    A process on another machine counts as living until its node is taken over, so this is the only
    sign of one that is gone.
    """
    return heard is not None and (now - heard).total_seconds() > STALE_SECONDS


def trains_without_lease(record: LiveNode | None, now: datetime) -> bool:
    """Whether a node is trained in a storage that has no leases, as its record alone tells."""
    if record is None or record.holder or record.status not in ("starting", "training"):
        return False
    return not is_silent(record.updated, now)
