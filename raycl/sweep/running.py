"""What a running sweep consists of: leases, its place in the queue, the frontier, who steers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import ray

from raycl.cluster.options import ClusterOptions
from raycl.plan.tree import Node, Tree
from raycl.storage import Storage
from raycl.sweep.claims import NodeClaims
from raycl.sweep.event_receivers import EventReceivers
from raycl.sweep.events import SweepEvent
from raycl.sweep.frontier import Frontier
from raycl.sweep.growth import GrowingTree, Growth
from raycl.sweep.leases import Leases, leases_work
from raycl.sweep.live_writer import LiveWriter
from raycl.sweep.node_trainings import NodeTrainings
from raycl.sweep.queue_entrance import queue_place
from raycl.sweep.retry_policy import NodeFailures
from raycl.sweep.steering.lookout import Lookout
from raycl.sweep.steering.obey import Steering
from raycl.sweep.tree_progress import waiting_nodes
from raycl.sweep.tune_callback import Progress
from raycl.watch.progress import TreeProgress


@dataclass(frozen=True)
class SweepJob:
    """What is to be trained, and where."""

    tree: Tree
    done: tuple[str, ...]
    """Nodes of the tree whose end state is in storage."""
    storage: Storage
    options: ClusterOptions
    on_event: Callable[[SweepEvent], None]
    max_failures: int
    watched: TreeProgress
    """Learns how far the tree is."""


@dataclass(frozen=True)
class RunningSweep:
    """The parts of a running sweep that its trials and Tune's loop are made with."""

    frontier: Frontier
    progress: Progress
    growing: GrowingTree
    trainings: NodeTrainings
    holder: str | None
    """The holder of its leases; None where the storage has none."""


@contextmanager
def running_sweep(
    job: SweepJob, growth: Growth | None, sweeps: Sequence[str]
) -> Iterator[RunningSweep]:
    """Hold leases, stand in the queue and obey what people ask, while the block lasts.

    `sweeps` are the names under which others see it in the queue.
    """
    storage, nodes = job.storage, {node.name: node for node in job.tree.nodes}
    least = {name: node.training.least for name, node in nodes.items()}
    with ExitStack() as stack:
        leases = stack.enter_context(Leases(storage)) if leases_work(storage) else None
        live = LiveWriter(storage, leases.holder if leases else "", tuple(sweeps), nodes)
        receivers = EventReceivers(job.watched, stack.enter_context(live), job.on_event)
        place = queue_place(
            storage, leases, job.options, tuple(sweeps), _slots(job.options.gpus), receivers.event
        )
        frontier = Frontier(
            job.tree.nodes,
            job.done,
            place.slots,
            job.options.concurrent,
            NodeClaims(storage, leases, least=least) if leases else None,
            place.is_shared,
        )
        receivers.elsewhere, receivers.frozen = frontier.elsewhere, frontier.frozen
        failures = NodeFailures(nodes, storage, job.max_failures)
        lookout = stack.enter_context(Lookout(storage))
        steering = Steering(frontier, lookout, failures.forget)
        progress = Progress(frontier, nodes, receivers.event, failures.try_again, leases, steering)
        progress.on_report = receivers.report
        progress.obey()  # before a node starts
        trainings = NodeTrainings(job.tree.nodes)
        stack.callback(trainings.added.forget)

        def added(new: Sequence[Node]) -> None:
            nodes.update((node.name, node) for node in new)
            least.update((node.name, node.training.least) for node in new)
            trainings.added.add(new)
            job.watched.add(waiting_nodes(new))

        growing = GrowingTree(frontier, growth, added)
        growing.begin()
        stack.enter_context(place.following(frontier))
        holder = leases.holder if leases else None
        yield RunningSweep(frontier, progress, growing, trainings, holder)


def _slots(gpus: bool) -> Callable[[], float]:
    kind, resources = "GPU" if gpus else "CPU", cast(Any, ray.cluster_resources)
    return lambda: float(resources().get(kind, 0))
