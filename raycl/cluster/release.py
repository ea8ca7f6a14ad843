"""Finds what a job still holds on a Ray cluster, and releases it."""

from __future__ import annotations

import time

from raycl.cluster.ray_internals import (
    HELPER_ACTORS,
    HELPER_CLASSES,
    remove_group,
    state_of_cluster,
)

_RELEASE_SECONDS = 20.0
_INTERRUPTED_SECONDS = 2.0
"""The same after Ctrl-C: what is not gone by then goes with the connection or the cluster."""


def release_at_end(_kind: object, error: BaseException | None, _trace: object) -> None:
    """Release everything where a block ends, soon where it is interrupted; for an ExitStack."""
    is_interrupted = isinstance(error, KeyboardInterrupt)
    release_everything(_INTERRUPTED_SECONDS if is_interrupted else _RELEASE_SECONDS)


def release_everything(timeout: float = _RELEASE_SECONDS) -> None:
    """Remove this job's placement groups and wait until its actors are gone, at most `timeout` s.

    A Tune trial that is stopped leaves behind the groups and actors of a TorchTrainer inside it
    (ray issue 54305).
    """
    import ray

    if not ray.is_initialized():  # the connection is gone, so nothing can be asked of it
        return
    deadline = time.monotonic() + timeout
    # Actors take a while to end, and a living one may make another placement group.
    while True:
        for identifier in held_placement_groups():
            remove_group(identifier)
        if not living_actors() or time.monotonic() > deadline:
            return
        time.sleep(0.2)


def held_placement_groups() -> list[str]:
    """Identifiers of this job's placement groups that hold resources or wait for them."""
    groups = state_of_cluster("list_placement_groups", [("creator_job_id", "=", _job_id())])
    return [group.placement_group_id for group in groups if group.state != "REMOVED"]


def living_actors() -> list[str]:
    """Class names of this job's living actors, without Ray's own long-lived helpers."""
    filters = [("job_id", "=", _job_id()), ("state", "!=", "DEAD")]
    return [
        actor.class_name
        for actor in state_of_cluster("list_actors", filters)
        if not (actor.name or "").startswith(HELPER_ACTORS)
        and actor.class_name not in HELPER_CLASSES
    ]


def _job_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_job_id())
