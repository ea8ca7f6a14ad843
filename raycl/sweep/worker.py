"""The code that trains a node, in its Tune trial or in each worker of a group."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from raycl.data.rank_reader import Batches
from raycl.data.reading import read_ahead
from raycl.plan.training import Training
from raycl.storage import Storage
from raycl.sweep.orders import Order
from raycl.sweep.steering.leaving import LeaveWatch
from raycl.sweep.worker_group import GroupSize, KeptGroup, WorkerGroup
from raycl.train.interruption import SAVED, Interrupted

Report = Callable[[dict[str, Any]], None]
Asked = Callable[[], bool]
Train = Callable[[Training, Storage, Batches, Report, Asked], Any]
"""The training loop `raycl.train.loop.train`, or a stand-in for it in tests."""

REPORT_SECONDS = 1.0
"""Seconds between two reports of metrics; metrics of a validation are always reported."""

_kept = KeptGroup()
"""The worker group of this process, if it is a trial's."""


def train_in_trial(order: Order, report: Report, watch: LeaveWatch) -> bool:
    """Train a node of one worker in the process of its trial.

    Returns whether it was trained to its end; if not, somebody wanted it left.
    """
    from raycl.sweep.preemption import is_preempted

    rank = _Rank(0, 1, report, _either(is_preempted(), watch.asked))
    return _trained(order, rank, lambda: watch.was_asked)


def train_with_workers(
    order: Order, size: GroupSize, report: Report, watch: LeaveWatch, again: bool
) -> bool:
    """Train a node of several workers from inside its Tune trial, with a group of workers.

    The group is the one that the trial before has left, or a new one. It is left for the next trial
    where `again` says that there are more nodes of this size. Returns whether the node was trained
    to its end; if not, somebody wanted it left. Raises the workers' error; Tune then decides
    whether the trial runs again.
    """
    group = _kept.take(size) or WorkerGroup(size, train_worker)
    news = group.train(order, report, watch.tell)
    if news.waiting or watch.sweep_ends:
        group.abandon()
    elif again:
        _kept.keep(group)
    else:
        group.end()
    return not news.left


def train_worker(config: dict[str, Any]) -> None:
    """Train one node after another in one worker of a group, until there are no more.

    Train has set up the process group already. A worker that takes the place of another begins with
    the node that the group is training.
    """
    import ray
    import ray.train
    from ray.train.collective import barrier

    from raycl.sweep.preemption import is_preempted, seldom

    context, orders = ray.train.get_context(), config["orders"]
    number, world = context.get_world_rank(), context.get_world_size()
    asked = is_preempted()
    if number == 0:
        asked = _either(asked, seldom(lambda: bool(ray.get(orders.must_leave.remote()))))
    # Only rank 0 reports, and waits for nobody.
    worker = _Rank(number, world, orders.report.remote, asked)
    place = ray.get(orders.first.remote())
    while (order := ray.get(orders.order.remote(place))) is not None:
        to_the_end = _trained(order, worker, lambda: bool(ray.get(orders.is_left.remote())))
        barrier()  # a node is finished when all of its workers are through
        if number == 0:
            ray.get(orders.finish.remote(place, not to_the_end))
        place += 1


@dataclass(frozen=True)
class _Rank:
    """One of the workers of a node."""

    number: int
    world: int
    """How many workers the node has."""
    report: Report
    asked: Asked
    """Whether the worker should save and end: its machine is about to be taken away, or somebody
    has asked for it."""


def _either(first: Asked, second: Asked) -> Asked:
    return lambda: first() or second()


def _trained(order: Order, rank: _Rank, is_left: Asked) -> bool:
    """Train, and say whether the node was trained to its end.

    `is_left` says of a training that was interrupted whether somebody wanted it so; all ranks hear
    the same. Else its interruption is raised: a machine is taken away.
    """
    try:
        _run_loop(order.training, order.storage, rank, order.train)
        return True
    except Interrupted:
        if not is_left():
            raise
    from raycl.train.garbage import free

    free()
    return False


def _run_loop(training: Training, storage: Storage, rank: _Rank, train: Train | None) -> None:
    train = train or _default_train()
    stream: list[Iterator[np.ndarray]] = []

    def batches(first_step: int) -> Iterator[np.ndarray]:
        # Workers that hold parts of the same matrices read the same rows.
        peers = training.execution.tensor_parallel
        reader, readers = rank.number // peers, rank.world // peers
        # Kept in a list, so that it can be closed however the loop ends.
        stream.append(read_ahead(training, storage, reader, readers)(first_step))
        return stream[-1]

    try:
        train(training, storage, batches, sparse(rank.report), rank.asked)
    finally:
        # The process goes on to train the next node, but the read-ahead must end with this one.
        for iterator in stream:
            if isinstance(iterator, Generator):
                iterator.close()


def _default_train() -> Train:
    import torch

    from raycl.train.loop import train

    torch.set_num_threads(1)  # `worker_resources` asks for one CPU a worker
    return train


def sparse(report: Report, seconds: float = REPORT_SECONDS) -> Report:
    """A function that passes metrics on to `report` at most once in `seconds`.

    Each call of `report` waits for Tune. Metrics of a validation are always passed on,
    and which state was saved last.
    """
    last = -float("inf")

    def limited(metrics: dict[str, Any]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < seconds and not any(map(_is_always_told, metrics)):
            return
        last = now
        # Tune's own name for the number of steps done, which its loggers use.
        report({**metrics, "timesteps_total": int(metrics.get("step", -1)) + 1})

    return limited


def _is_always_told(metric: str) -> bool:
    return metric == SAVED or metric.startswith("validation/")
