"""Walk the tree: one Tune trial per node, each started as soon as its parent is done."""

from __future__ import annotations

import logging
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune

from raycl.cluster.capacity import cluster_capacity, refuse_what_never_fits
from raycl.cluster.interruption import on_signals
from raycl.cluster.options import ClusterOptions
from raycl.cluster.release import release_at_end
from raycl.plan.tree import Node, Tree
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from raycl.sweep.ending import Ending, save_seconds
from raycl.sweep.events import SweepEvent
from raycl.sweep.frontier import Frontier
from raycl.sweep.growth import GrowingTree, Growth
from raycl.sweep.monitoring.metrics import SweepMetrics
from raycl.sweep.running import RunningSweep, SweepJob, running_sweep
from raycl.sweep.steering.stop_order import StopOrder
from raycl.sweep.tree_progress import tree_progress
from raycl.sweep.trial import TITLE, TrialTask, run_trial, trial_resources
from raycl.sweep.tune_callback import Progress, Stopped
from raycl.sweep.tune_scheduler import LiveTrials
from raycl.sweep.tune_searcher import NodeSearcher
from raycl.sweep.worker import Train
from raycl.watch.progress import TreeProgress

MAX_FAILURES = 3
WAIT_SECONDS = 1.0
"""Seconds between two questions for a node while none can start."""
_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the recipe's trackers do it
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours does it, and SIGTERM as well
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # nothing is restored from Tune's own snapshots
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True)
class TrialSettings:
    """Settings of a sweep's trials. The defaults serve almost every caller."""

    max_failures: int = MAX_FAILURES
    """How many failures in a row a node may have, without progress, and still be tried again."""
    sweeps: tuple[str, ...] = ()
    """Names of the sweeps that are trained as one tree, for the queue."""
    callbacks: tuple[tune.Callback, ...] = ()
    """Who else follows the trials, in the sweep's process (`raycl.sweep.tracking`)."""
    watched: TreeProgress | None = None
    """Learns how far the tree is, for those who are told of it; None: nobody asks."""
    train: Train | None = None
    """A function that takes the place of the training loop, in tests; None: the loop itself."""


@dataclass(frozen=True)
class SweepOutcome:
    """The nodes of a tree by what has happened to them."""

    finished: tuple[str, ...]
    """Nodes that this run has trained."""
    failed: dict[str, str]
    """Nodes that have failed, each with its reason."""
    skipped: tuple[str, ...]
    """Nodes below a failed node, which were never started."""
    existing: tuple[str, ...] = ()
    """Nodes whose end state was in storage before this run."""
    elsewhere: tuple[str, ...] = ()
    """Nodes that another sweep has trained meanwhile."""
    frozen: tuple[str, ...] = ()
    """Nodes that wait behind one that was frozen, and were not trained."""


def run_sweep(  # noqa: PLR0913 (all but two have a default that serves)
    tree: Tree,
    storage: Storage,
    options: ClusterOptions | None = None,
    *,
    existing: Collection[str] | None = None,
    on_event: Callable[[SweepEvent], None] = lambda _: None,
    trials: TrialSettings | None = None,
    growth: Growth | None = None,
) -> SweepOutcome:
    """Train every node whose end state is not in storage; a Ray cluster has to be there.

    `existing` names the states that storage holds, where they have been listed already. `growth`
    lets the tree grow while it is trained, and says which of its nodes wait to be thawed.

    A node that fails is tried again from the deepest state in storage; an InputError is final at
    once. A failed node takes what is below it along, and the rest goes on. What another sweep in
    the same storage trains is waited for, and taken over when that one is gone. What people ask of
    nodes (`raycl.sweep.steering`) is obeyed within seconds. At SIGINT or SIGTERM each running node
    saves its state and leaves, which takes at most `save_seconds()`, and Interruption is raised, a
    KeyboardInterrupt. A second signal raises it at once.

    Raises InputError where a node asks for more workers than the cluster can ever hold.
    """
    options, trials = options or ClusterOptions(), trials or TrialSettings()
    done = finished_nodes(tree, storage, existing)
    if len(done) == len(tree.nodes) and growth is None:
        return SweepOutcome((), {}, (), tuple(done))
    left = [node for node in tree.nodes if node.name not in set(done)]
    refuse_what_never_fits(left, options.needs, cluster_capacity(options.needs))
    with ExitStack() as stack:
        watched = trials.watched or tree_progress(tree, done)
        job = SweepJob(tree, tuple(done), storage, options, on_event, trials.max_failures, watched)
        running = stack.enter_context(running_sweep(job, growth, trials.sweeps))
        stack.push(release_at_end)
        stack.enter_context(_quiet_environment())
        stop = StopOrder()
        stack.callback(stop.forget)
        running.progress.ending = Ending(stop, save_seconds())
        stack.enter_context(on_signals(running.progress.ending.begin))
        # Tune pickles its own bookkeeping, which never lies in a storage and is never read again.
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="raycl-tune-")))
        task = TrialTask(storage, options.needs, running.holder, trials.train, stop)
        trainable = _trainable(running, task)
        _train(running, trainable, trials, scratch)
    return _outcome(running.frontier)


def _train(running: RunningSweep, trainable: Any, trials: TrialSettings, scratch: Path) -> None:
    """Train until nothing is left that the sweep waits for."""
    frontier, progress, growing = running.frontier, running.progress, running.growing
    metrics = SweepMetrics(frontier, trials.sweeps)
    # Tune takes a second or two to begin, so it does not before there is a node for it.
    while (node := wait_for_node(frontier, progress, growing)) is not None:
        callbacks = [progress, metrics, *trials.callbacks]
        searcher = NodeSearcher(frontier, lambda: progress.stopped, growing, node)
        _train_what_is_free(_tuner(trainable, searcher, callbacks, scratch / "tune"), progress)
        metrics.update()
    if progress.stopped:  # after the last node
        raise progress.interruption()
    growing.tell()


def _trainable(running: RunningSweep, task: TrialTask) -> Any:
    run = tune.with_parameters(run_trial, trainings=running.trainings, task=task)
    run.__name__ = f"run_trial_{uuid.uuid4().hex}"  # Tune keeps trainables by their names
    return tune.with_resources(run, partial(trial_resources, needs=task.needs))


def finished_nodes(
    tree: Tree, storage: Storage, existing: Collection[str] | None = None
) -> list[str]:
    """Names of the nodes whose end state is complete in storage, sorted.

    `existing` names the states that storage holds, where they have been listed already.
    """
    names = {node.name for node in tree.nodes}
    found = complete_states(storage) if existing is None else existing
    return sorted(names.intersection(found))


def _outcome(frontier: Frontier) -> SweepOutcome:
    return SweepOutcome(
        tuple(frontier.finished),
        dict(frontier.failed),
        tuple(frontier.skipped),
        frontier.existing,
        tuple(frontier.elsewhere),
        tuple(frontier.waiting),
    )


def _tuner(
    trainable: Any, searcher: NodeSearcher, callbacks: list[tune.Callback], folder: Path
) -> tune.Tuner:
    folder.mkdir(parents=True, exist_ok=True)
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=LiveTrials(searcher.awaits),
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
            callbacks=callbacks,
        ),
    )


def _title(trial: Any) -> str:
    return str(trial.config[TITLE])


def _train_what_is_free(tuner: tune.Tuner, progress: Progress) -> None:
    """Return when nothing can start and nothing runs. Raises Interruption when stopped."""
    try:
        tuner.fit()
    except Stopped as stopped:
        raise progress.interruption(stopped.unsaved) from None
    if progress.stopped:  # while no trial was under way
        raise progress.interruption()


def wait_for_node(frontier: Frontier, progress: Progress, growing: GrowingTree) -> Node | None:
    """The node to start, which counts as running from here on; None where none is left.

    While there is none it waits: until the sweep's turn comes in the queue, until others have
    trained what they have, until somebody resumes what was paused, until states are measured from
    which more to train may follow. Raises Interruption when stopped.
    """
    is_told = False
    while frontier.has_work or growing.awaits:
        if progress.stopped:
            raise progress.interruption()
        progress.obey()
        node = growing.next()
        if node is not None:
            return node
        if frontier.has_work and not is_told:
            progress.tell_waiting()
            is_told = True
        time.sleep(WAIT_SECONDS)
    return None


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
