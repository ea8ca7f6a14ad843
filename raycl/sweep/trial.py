"""A Tune trial of a sweep: one node of the tree, with what it is told and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ray import tune

from raycl.cluster.worker_needs import WorkerNeeds
from raycl.data.ray_stream import input_error_in
from raycl.plan.training import Training
from raycl.plan.tree import Node
from raycl.storage import Storage
from raycl.sweep.leases import Claim
from raycl.sweep.node_trainings import NodeTrainings
from raycl.sweep.orders import Order
from raycl.sweep.steering.leaving import LeaveWatch
from raycl.sweep.steering.stop_order import StopOrder
from raycl.sweep.worker import Train, train_in_trial, train_with_workers
from raycl.sweep.worker_group import GroupSize

NODE = "node"
"""Key of a trial's configuration: the name of its node."""
PLACE = "place"
"""Key of a trial's configuration: the node's number in the tree."""
WORKERS = "workers"
"""Key of a trial's configuration: the node's workers."""
AGAIN = "again"
"""Key of a trial's configuration: whether other nodes wait for as many workers as the node has."""
MOST = "most"
"""Key of a trial's configuration: workers to which an elastic node may grow; not there: its own."""
TITLE = "title"
"""Key of a trial's configuration: how people may call the node."""
INPUT_ERROR = "input_error"
"""Metric with which a trial says that trying again is of no use."""
ELSEWHERE = "elsewhere"
"""Metric with which a trial says that another sweep has taken its node over."""
LEFT = "left"
"""Metric with which a trial says that it has left its node because somebody has asked for it."""


@dataclass(frozen=True)
class TrialTask:
    """All that a trial of a sweep needs apart from its node; it is the same for every trial."""

    storage: Storage
    needs: WorkerNeeds
    """What each worker asks of the cluster."""
    holder: str | None
    """The holder of the sweep's leases; None where the storage has no leases."""
    train: Train | None
    """A function that takes the place of the training loop; None: the loop itself."""
    stop: StopOrder | None = None
    """What says that the whole sweep ends."""

    def still_ours(self, node: str) -> bool:
        """Whether no other sweep has taken the node over."""
        return self.holder is None or Claim(self.storage, self.holder, node).is_valid()


def configuration(node: Node, place: int, again: bool) -> dict[str, Any]:
    """The configuration of a trial: the few facts of a node that Tune's functions need.

    `place` is the node's place in the tree, and `again` whether other nodes wait for as many
    workers. Tune stores the configuration with the state of every trial, so it is kept small.
    """
    known = {NODE: node.name, PLACE: place, TITLE: title(node)}
    return {**known, WORKERS: node.training.workers, AGAIN: again}


def title(node: Node) -> str:
    """Stage and steps, and enough of the state's name to tell all nodes apart."""
    training = node.training
    stage = "".join(c if c.isalnum() else "-" for c in training.stage) or "stage"
    return f"{stage}-{training.start:06d}-{training.stop:06d}-{node.name.split('-')[-1][:12]}"


def trial_resources(config: dict[str, Any], needs: WorkerNeeds) -> tune.PlacementGroupFactory:
    """A worker's share where the trial trains itself; a place on the head where it only drives.

    Asking for a share of a CPU instead would keep a whole worker out of a full cluster.
    """
    if config[WORKERS] == 1:
        return tune.PlacementGroupFactory([needs.resources()])
    return tune.PlacementGroupFactory([{"CPU": 0, "node:__internal_head__": 0.001}])


def run_trial(config: dict[str, Any], trainings: NodeTrainings, task: TrialTask) -> None:
    """Train the node of a trial; an InputError is reported as a result."""
    training = trainings.of(config[PLACE], config[NODE])
    try:
        if not task.still_ours(config[NODE]):
            tune.report({ELSEWHERE: True})
            return
        with LeaveWatch(task.storage, config[NODE], stop=task.stop) as watch:
            if watch.asked() or not _train(training, task, config, watch):
                tune.report({LEFT: True})
    except Exception as error:
        found = input_error_in(error)
        if found is None:
            raise
        tune.report({INPUT_ERROR: str(found)})  # a result, as Tune would retry an exception


def _train(training: Training, task: TrialTask, config: dict[str, Any], watch: LeaveWatch) -> bool:
    """Train a node; returns whether it was trained to its end."""
    order = Order(training, task.storage, task.train)
    if training.workers == 1:
        return train_in_trial(order, tune.report, watch)
    fewest = training.fewest_workers or training.workers
    size = GroupSize(config.get(MOST, training.workers), fewest, task.needs)
    return train_with_workers(order, size, tune.report, watch, config[AGAIN])
