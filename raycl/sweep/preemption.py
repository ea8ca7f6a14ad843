"""Whether the machine under a worker is about to be taken away, as Ray was told of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable


def trial_is_preempted() -> Callable[[], bool]:
    """For a node of one worker, in its Tune trial: asks Ray's control store, a small request."""
    import ray

    node = ray.get_runtime_context().get_node_id()

    def preempted() -> bool:
        # Ray says it only by this private name; Train's own watcher uses the same.
        with contextlib.suppress(Exception):
            return node in ray._private.state.state.get_draining_nodes()
        return False

    return preempted


def worker_is_preempted() -> bool:
    """For a worker of a TorchTrainer: whether any of them is (collective)."""
    import ray.train

    return ray.train.get_preemption_info() is not None
