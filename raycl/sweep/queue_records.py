"""The records of the queue: what living sweeps use and want, who changed them, quotas."""

from __future__ import annotations

from typing import ClassVar

from raycl.plan.fair_share import Claimant
from raycl.storage.record import Record

_REMEDY = "Remove the file; a sweep that runs writes its own anew"


class QueueEntry(Record):
    """A living sweep on its cluster. Its file is named by the holder of its leases."""

    WHAT: ClassVar[str] = "a sweep's entry in the queue"
    REMEDY: ClassVar[str] = _REMEDY

    sweeps: tuple[str, ...]
    """Names of the sweeps that are trained as one."""
    owner: str
    priority: int
    share: float
    cluster: str
    """Ray's name of the cluster's session: sweeps of one cluster share it."""
    device: str
    """What a worker takes one of: `CPU` or `GPU`."""
    capacity: float
    """Workers that the cluster holds now."""
    growable: float
    """The most that it can grow to; infinity where Ray does not tell."""
    asked: int
    """Workers for which this sweep lets it grow."""
    running: tuple[int, ...]
    """Workers of each node that runs."""
    waiting: tuple[int, ...]
    """Workers of each node that could start, in order; as many as the cluster could hold."""
    served: float
    """When it last started a node, in seconds since 1970; 0: never."""
    since: float
    """When it came, in seconds since 1970."""

    def claimant(self, holder: str) -> Claimant:
        """The same for the arithmetic."""
        return Claimant(
            holder,
            self.owner,
            self.priority,
            self.share,
            self.running,
            self.waiting,
            self.served,
            self.since,
        )

    @property
    def pool(self) -> tuple[str, str]:
        """What it shares with others: the workers of one kind on one cluster."""
        return self.cluster, self.device


class QueueOrder(Record):
    """What somebody wants of a living sweep; None leaves a number as it is."""

    WHAT: ClassVar[str] = "an order to a sweep in the queue"
    REMEDY: ClassVar[str] = "Remove the file and run `raycl queue set` again"

    priority: int | None = None
    share: float | None = None


class Quotas(Record):
    """The most workers of each owner who has a quota."""

    WHAT: ClassVar[str] = "the quotas of the queue"
    REMEDY: ClassVar[str] = "Remove the file and run `raycl queue quota` again for each owner"

    workers: dict[str, int]
