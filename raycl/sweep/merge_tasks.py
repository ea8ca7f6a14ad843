"""Runs merges where they fit: in this process, or as Ray tasks that take what a worker takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.storage import Storage

if TYPE_CHECKING:
    from raycl.evaluation.merged_losses import MergeTask

Run = Callable[["MergeTask", bool], None]
"""Measures a merge, as a stored state or without storing its weights; what it found is in storage.

Raises MergeError where it cannot."""


class MergeError(Exception):
    """A merge could not be made or measured."""


def on_cluster(options: ClusterOptions) -> bool:
    """Whether merges run as Ray tasks, since the model may not fit into this machine.

    That is with a cluster of somebody else's, and with GPUs.
    """
    return options.address is not None or bool(options.gpus)


def remote_merge(options: ClusterOptions) -> Any:
    """The Ray task that runs one merge; a cluster is there. Arguments as `run_merge`."""
    import ray

    asked = options.needs.resources()
    cpus, gpus = asked.pop("CPU"), asked.pop("GPU", 0)
    return ray.remote(num_cpus=cpus, num_gpus=gpus, resources=asked, max_retries=2)(run_merge)


@contextmanager
def merging(storage: Storage, options: ClusterOptions) -> Iterator[Run]:
    """A function that runs one merge and waits for it."""
    if not on_cluster(options):

        def here(task: MergeTask, store: bool) -> None:
            try:
                run_merge(storage, task, store)
            except InputError as error:
                raise MergeError(str(error)) from error

        yield here
        return
    # Imported here: to look for merges must not wait for Ray's import.
    from raycl.cluster.connect import cluster

    with cluster(options):
        import ray  # not before: an embedded cluster is confined when Ray is imported

        remote = remote_merge(options)

        def there(task: MergeTask, store: bool) -> None:
            try:
                ray.get(remote.remote(storage, task, store))
            except ray.exceptions.RayError as error:
                raise MergeError(reason(error)) from error

        yield there


def run_merge(storage: Storage, task: MergeTask, store: bool = True) -> None:
    """Measure a merge; its weights become a state where they are to be stored."""
    # Imported in the task: the process that starts the tasks does not need torch for them.
    from raycl.evaluation.merged_losses import make_and_measure, measure_unmade

    (make_and_measure if store else measure_unmade)(storage, task)


def reason(error: Exception) -> str:
    """Why a merge failed: what the task raised, without Ray's words around it."""
    return str(getattr(error, "cause", None) or error)
