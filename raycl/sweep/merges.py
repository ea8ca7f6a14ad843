"""Makes and measures the merged models of sweeps whose recipes are trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.recipe.sweep_plan import PlannedSweep, SweepPlan
from raycl.results.by_seed import parts_by_seed
from raycl.results.gather import gather_of_seed
from raycl.results.merged import more_rows
from raycl.results.outcome import MERGED
from raycl.results.stored_states import StoredStates
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from raycl.sweep.merge_tasks import on_cluster, reason, remote_merge, run_merge

if TYPE_CHECKING:
    from raycl.evaluation.merged_losses import MergeTask

Report = Callable[[str], None]


def check_partners(plan: SweepPlan) -> None:
    """Raise InputError where a merge names a state that is neither stored nor trained here."""
    known = plan.states | {node.name for node in plan.tree.nodes}
    for planned in plan.sweeps:
        for merge in planned.merges if plan.is_prepared else ():
            for name in merge.needs:
                if name not in known:
                    where = f"{planned.definition.where}: merge.with {name}"
                    remedy = "Give the whole name of one: `raycl states` lists them"
                    raise InputError(where, "no such complete state", remedy)


def make_merges(
    plan: SweepPlan, storage: Storage, options: ClusterOptions, report: Report
) -> dict[str, str]:
    """Make and measure what storage lacks of the sweeps' merges; the reasons of those that cannot.

    Where `on_cluster` says so, each is a Ray task. Else they are made here, one by one.
    """
    if not any(planned.merges for planned in plan.sweeps):
        return {}
    states = StoredStates(storage, complete_states(storage))
    tasks = [task for planned in plan.sweeps for task in _missing(planned, states)]
    if not tasks:
        return {}
    report(f"Merging: {len(tasks)} models to make and to measure.")
    if not on_cluster(options):
        return _here(tasks, storage, report)
    # Imported here: to look for merges must not wait for Ray's import.
    from raycl.cluster.connect import cluster

    with cluster(options):
        return _on_cluster(tasks, storage, options, report)


def _missing(planned: PlannedSweep, states: StoredStates) -> Iterator[MergeTask]:
    """What is to be made or measured of a sweep's merges, on the rows of its results."""
    from raycl.evaluation.merged_losses import MergeTask  # needs torch

    if not planned.merges:
        return
    for part in parts_by_seed(planned):
        outcomes = {outcome.label: outcome for outcome in gather_of_seed(part.sweep, states)}
        for merge in part.sweep.merges:
            outcome = outcomes.get(merge.label)
            if outcome is None or outcome.kind != MERGED or outcome.status == "finished":
                continue
            rows = (outcome.validation_rows, more_rows(outcomes[merge.recipe]))
            yield MergeTask(merge.label, merge.base, (merge.state,), merge.method, rows)


def _here(tasks: Sequence[MergeTask], storage: Storage, report: Report) -> dict[str, str]:
    failed = {}
    for number, task in enumerate(tasks, 1):
        try:
            run_merge(storage, task)
        except InputError as error:  # what is trained stays, and so do the other merges
            failed[task.label] = str(error)
        else:
            report(_progress(number, tasks, task))
    return failed


def _on_cluster(
    tasks: Sequence[MergeTask], storage: Storage, options: ClusterOptions, report: Report
) -> dict[str, str]:
    import ray

    remote = remote_merge(options)
    pending = {remote.remote(storage, task): task for task in tasks}
    failed, done = {}, 0
    while pending:
        (ready,), _ = ray.wait(list(pending), num_returns=1)
        task, done = pending.pop(ready), done + 1
        try:
            ray.get(ready)
        except ray.exceptions.RayError as error:
            failed[task.label] = reason(error)
        else:
            report(_progress(done, tasks, task))
    return failed


def _progress(number: int, tasks: Sequence[MergeTask], task: MergeTask) -> str:
    return f"{number} of {len(tasks)} merges: {task.label}"
