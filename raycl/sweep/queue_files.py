"""The files of the queue in a storage."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from raycl.errors import InputError
from raycl.plan.fair_share import Claimant, in_turn
from raycl.storage import Storage, layout
from raycl.storage.record import find_record, parse_record, record_bytes, write_record
from raycl.sweep.lease_records import died_here
from raycl.sweep.queue_records import QueueEntry, QueueOrder, Quotas

SILENT_SECONDS = 300.0
"""A heartbeat so old counts as that of a machine that is gone, where there is one look alone. Its
time is the storage's and is compared with this machine's clock, so this is generous."""
_SUFFIX = ".json"
_TRIES = 10


@dataclass(frozen=True)
class Queue:
    """The living sweeps of a storage."""

    entries: Mapping[str, QueueEntry]
    """By the holder of the sweep's leases."""
    quotas: Mapping[str, int] = field(default_factory=dict)

    def pool(self, entry: QueueEntry) -> list[Claimant]:
        """All who share the workers of this entry's cluster, in the order of their turns."""
        same = {h: other for h, other in self.entries.items() if other.pool == entry.pool}
        return in_turn(other.claimant(holder) for holder, other in same.items())

    def capacity(self, entry: QueueEntry) -> float:
        """The workers that they share: those of the cluster, or what it will grow to for them."""
        pool = [other for other in self.entries.values() if other.pool == entry.pool]
        grown = min(sum(other.asked for other in pool), *(other.growable for other in pool))
        return max(grown, *(other.capacity for other in pool))


def read_queue(storage: Storage, is_alive: Callable[[str], bool]) -> Queue:
    """The queue without sweeps that are gone, whose files are removed.

    An entry that is damaged, or that a newer raycl wrote, counts as none: it says nothing that
    could be shared. Requests: a listing, and one or two reads for each sweep.
    """
    entries = {}
    for holder in _holders(storage):
        if not is_alive(holder):
            leave(storage, holder)
            continue
        with contextlib.suppress(InputError):
            entry = find_record(storage, layout.queue_entry(holder), QueueEntry)
            if entry is not None:  # else it has left meanwhile
                entries[holder] = entry
    return Queue(entries, read_quotas(storage))


def _holders(storage: Storage) -> list[str]:
    names = [name.removesuffix(_SUFFIX) for name in storage.list(layout.QUEUE)]
    quotas = layout.queue_quotas()
    return [name for name in names if name.isalnum() and layout.queue_entry(name) != quotas]


def beats(storage: Storage, holder: str) -> bool:
    """Whether a holder lives, as far as one look can tell: a machine that is gone is not seen."""
    try:
        return not died_here(storage.read_bytes(layout.lease_holder(holder)))
    except FileNotFoundError:
        return False


def silent(storage: Storage, now: datetime) -> dict[str, datetime]:
    """The last sign of life of each holder that has given none for `SILENT_SECONDS`. One listing.

    A machine that is gone cannot remove what is its own. A sweep that runs finds that out by
    watching (`raycl.sweep.leases`); who looks once has the times of the files alone.
    """
    return {
        file.path: file.modified
        for file in storage.everything_below(layout.lease_holders())
        if file.modified is not None and (now - file.modified).total_seconds() >= SILENT_SECONDS
    }


def leave(storage: Storage, holder: str) -> None:
    """Remove what is there of a sweep; a request that fails leaves it to the others."""
    for path in (layout.queue_entry(holder), layout.queue_order(holder)):
        with contextlib.suppress(OSError):
            storage.remove(path)


def give_order(storage: Storage, holder: str, order: QueueOrder) -> None:
    """Tell a living sweep its priority or share; what this leaves open stays as it is."""
    path = layout.queue_order(holder)
    before = find_record(storage, path, QueueOrder) or QueueOrder()
    both = QueueOrder(
        priority=before.priority if order.priority is None else order.priority,
        share=before.share if order.share is None else order.share,
    )
    write_record(storage, path, both)


def read_quotas(storage: Storage) -> dict[str, int]:
    """The most workers of each owner who has a quota. Raises InputError where it is damaged."""
    found = find_record(storage, layout.queue_quotas(), Quotas)
    return {} if found is None else found.workers


def set_quota(storage: Storage, owner: str, workers: int | None) -> None:
    """Give an owner a quota, or none, whatever others change at the same time."""
    path = layout.queue_quotas()
    for _ in range(_TRIES):
        try:
            data, version = storage.read_version(path)
        except FileNotFoundError:
            if storage.create(path, _quotas({}, owner, workers)) is not None:
                return
            continue
        now = parse_record(data, Quotas, storage.full_path(path)).workers
        if storage.replace(path, _quotas(now, owner, workers), version) is not None:
            return
    raise InputError(storage.full_path(path), "others keep changing it", "Run the command again")


def _quotas(before: Mapping[str, int], owner: str, workers: int | None) -> bytes:
    others = {name: most for name, most in before.items() if name != owner}
    return record_bytes(Quotas(workers=others if workers is None else others | {owner: workers}))
