"""Walk the tree: one Tune trial per node, each started as soon as its parent is done."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.logger import TBXLoggerCallback

from raycl.cluster.connect import release_everything
from raycl.data.ray_stream import input_error_in
from raycl.plan.tree import Tree
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from raycl.sweep.claims import ASK_SECONDS, NodeClaims
from raycl.sweep.frontier import (
    ELSEWHERE,
    INPUT_ERROR,
    NODE,
    PLACE,
    TITLE,
    WORKERS,
    Frontier,
    NodeSearcher,
)
from raycl.sweep.leases import Claim, Leases, leases_work
from raycl.sweep.node_trainings import NodeTrainings
from raycl.sweep.retry_policy import NodeFailures
from raycl.sweep.tune_callback import Progress, Stopped, SweepEvent
from raycl.sweep.tune_scheduler import LiveTrials
from raycl.sweep.worker import Train, train_in_trial, train_with_workers, worker_resources

__all__ = ["SweepEvent", "SweepOutcome", "run_sweep"]

MAX_FAILURES = 3
_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # TensorBoard alone; CSV and JSON say it again
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours does it, and SIGTERM as well
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # nothing is restored from Tune's own snapshots
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True)
class SweepOutcome:
    """What became of every node of a tree."""

    finished: tuple[str, ...]
    """Trained by this run."""
    failed: dict[str, str]
    """Reason by node."""
    skipped: tuple[str, ...]
    """Below a failed node, so never started."""
    existing: tuple[str, ...] = ()
    """In storage before this run."""
    elsewhere: tuple[str, ...] = ()
    """Trained by another sweep meanwhile."""


@dataclass(frozen=True)
class _Task:
    """What every trial of a sweep needs besides its node."""

    storage: Storage
    gpus: bool
    holder: str | None
    """Of the leases; None where the storage has none."""
    train: Train | None

    def still_ours(self, node: str) -> bool:
        return self.holder is None or Claim(self.storage, self.holder, node).is_valid()


def run_sweep(
    tree: Tree,
    storage: Storage,
    *,
    concurrent: int | None = None,
    gpus: bool = False,
    max_failures: int = MAX_FAILURES,
    on_event: Callable[[SweepEvent], None] = lambda _: None,
    tune_folder: str | None = None,
    train: Train | None = None,
) -> SweepOutcome:
    """Train every node whose end state is not in storage; a Ray cluster has to be there.

    A node that fails is tried again from the deepest state in storage, `max_failures` times in a
    row without getting further; an InputError is final at once. A failed node takes what is below
    it along, and the rest goes on. What another sweep in the same storage trains is waited for, and
    taken over when that one is gone. SIGINT and SIGTERM stop the trials and raise
    KeyboardInterrupt. `train` replaces the loop.
    """
    existing = finished_nodes(tree, storage)
    slots = _slots(gpus)
    if len(existing) == len(tree.nodes):
        return SweepOutcome((), {}, (), tuple(existing))
    with ExitStack() as stack:
        leases = stack.enter_context(Leases(storage)) if leases_work(storage) else None
        claims = NodeClaims(storage, leases) if leases else None
        frontier = Frontier(tree.nodes, existing, slots, concurrent, claims)
        nodes = {node.name: node for node in tree.nodes}
        failures = NodeFailures(nodes, storage, max_failures)
        progress = Progress(NodeSearcher(frontier), nodes, on_event, leases)
        stack.callback(release_everything)
        stack.enter_context(_quiet_environment())
        stack.enter_context(_signals_stop(progress))
        folder = Path(
            tune_folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="raycl-tune-"))
        )
        trainings = NodeTrainings(tree.nodes)
        task = _Task(storage, gpus, leases.holder if leases else None, train)
        while frontier.waiting:
            progress.searcher = NodeSearcher(frontier, failures.try_again)
            _train_what_is_free(trainings, task, progress, folder)
            if progress.stopped:  # while nothing was under way
                raise KeyboardInterrupt
            if frontier.waiting:
                _wait_for_others(frontier, progress)
    return SweepOutcome(
        tuple(frontier.finished),
        dict(frontier.failed),
        tuple(frontier.skipped),
        frontier.existing,
        tuple(frontier.elsewhere),
    )


def _train_what_is_free(
    trainings: NodeTrainings, task: _Task, progress: Progress, folder: Path
) -> None:
    if progress.stopped:
        raise KeyboardInterrupt
    try:
        _tuner(trainings, task, progress, folder).fit()
    except Stopped:
        raise KeyboardInterrupt from None


def _wait_for_others(frontier: Frontier, progress: Progress) -> None:
    """Return when a node is free, or all are done by others."""
    progress.tell_waiting()
    while frontier.waiting and not progress.stopped:
        node = frontier.next()
        if node is not None:
            frontier.put_back(node.name)  # ours already: it is asked for again at once
            return
        time.sleep(ASK_SECONDS)


def finished_nodes(tree: Tree, storage: Storage) -> list[str]:
    """Names of the nodes whose end state is complete in storage."""
    return complete_states(storage, among={node.name for node in tree.nodes})


def _tuner(trainings: NodeTrainings, task: _Task, progress: Progress, folder: Path) -> tune.Tuner:
    folder.mkdir(parents=True, exist_ok=True)
    run = tune.with_parameters(_run_trial, trainings=trainings, task=task)
    return tune.Tuner(
        tune.with_resources(run, partial(trial_resources, gpus=task.gpus)),
        tune_config=tune.TuneConfig(
            search_alg=progress.searcher,
            scheduler=LiveTrials(),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_title,
            trial_dirname_creator=_title,
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent.resolve()),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),  # another try is another trial
            callbacks=[progress, TBXLoggerCallback()],
        ),
    )


def _title(trial: Any) -> str:
    return str(trial.config[TITLE])


def trial_resources(config: dict[str, Any], gpus: bool) -> tune.PlacementGroupFactory:
    """A worker's share where the trial trains itself; a place on the head where it only drives.

    Asking for a share of a CPU instead would keep a whole worker out of a full cluster.
    """
    if config[WORKERS] == 1:
        return tune.PlacementGroupFactory([worker_resources(gpus)])
    return tune.PlacementGroupFactory([{"CPU": 0, "node:__internal_head__": 0.001}])


def _run_trial(config: dict[str, Any], trainings: NodeTrainings, task: _Task) -> None:
    training = trainings[config[PLACE]]
    try:
        if not task.still_ours(config[NODE]):
            tune.report({ELSEWHERE: True})
        elif training.workers == 1:
            train_in_trial(training, task.storage, tune.report, task.train)
        else:
            train_with_workers(training, task.storage, task.gpus, task.train)
    except Exception as error:
        found = input_error_in(error)
        if found is None:
            raise
        tune.report({INPUT_ERROR: str(found)})  # a result, as Tune would retry an exception


def _slots(gpus: bool) -> Callable[[], float]:
    return lambda: float(ray.cluster_resources().get("GPU" if gpus else "CPU", 0))


@contextmanager
def _quiet_environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    logger = logging.getLogger("ray.tune")
    level = logger.level
    os.environ.update(_ENVIRONMENT)
    logger.setLevel(logging.CRITICAL)  # the events say what fails, without pages of traceback
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _signals_stop(progress: Progress) -> Iterator[None]:
    """The first SIGINT or SIGTERM stops the trials in good order; the next one interrupts."""

    def stop(_signal: int, _frame: Any) -> None:
        if progress.stopped:
            raise KeyboardInterrupt
        progress.stop()

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
