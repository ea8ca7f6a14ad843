"""How a sweep enters the queue of its cluster, where its storage can have one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray

from raycl.cluster.capacity import cluster_capacity
from raycl.cluster.options import ClusterOptions
from raycl.cluster.queue_options import QueueOptions
from raycl.storage import Storage
from raycl.sweep.events import SweepEvent
from raycl.sweep.frontier import Frontier
from raycl.sweep.leases import Leases
from raycl.sweep.queue_place import Capacity, Place
from raycl.sweep.queue_records import QueueEntry

_NO_QUEUE = (
    "this storage has no conditional writes, and so no queue: owner, priority, share and quotas "
    "do not count, and sweeps of one cluster take what is free"
)
OnEvent = Callable[[SweepEvent], None]


class NoQueue:
    """The place of a sweep whose storage has no leases: it takes what the cluster has."""

    def __init__(self, slots: Callable[[], float]) -> None:
        self.slots = slots

    def is_shared(self) -> bool:
        """Never: nothing is known of others."""
        return False

    @contextmanager
    def following(self, _: Frontier) -> Iterator[None]:
        """Do nothing."""
        yield


def queue_place(
    storage: Storage,
    leases: Leases | None,
    options: ClusterOptions,
    sweeps: tuple[str, ...],
    present: Callable[[], float],
    on_event: OnEvent,
) -> Place | NoQueue:
    """The place of the sweeps that are trained as one; `present` tells the cluster's workers now.

    This process has to be connected to the cluster.
    """
    if leases is None:
        if options.address is not None or options.queue != QueueOptions():
            on_event(SweepEvent("note", "", ", ".join(sweeps), reason=_NO_QUEUE))
        return NoQueue(present)
    queue = options.queue
    entry = QueueEntry(
        sweeps=sweeps,
        owner=queue.owner,
        priority=queue.priority,
        share=queue.share,
        cluster=ray.get_runtime_context().get_session_name(),
        device="GPU" if options.gpus else "CPU",
        capacity=0.0,
        growable=0.0,
        asked=0,
        running=(),
        waiting=(),
        served=0.0,
        since=time.time(),
    )
    return Place(
        storage, leases, entry, Capacity(present, _growable(options), options.concurrent), on_event
    )


def _growable(options: ClusterOptions) -> float:
    capacity = cluster_capacity(options.needs)
    return math.inf if capacity is None else capacity.workers(options.needs)
