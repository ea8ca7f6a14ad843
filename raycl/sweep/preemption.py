"""Whether the machine under a worker is about to be taken away, as Ray was told of it."""

from __future__ import annotations

from collections.abc import Callable

from raycl.cluster.ray_internals import is_draining


def trial_is_preempted() -> Callable[[], bool]:
    """For a node of one worker, in its Tune trial: asks Ray's control store, a small request."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    return lambda: is_draining(node)


def worker_is_preempted() -> bool:
    """For a worker of a TorchTrainer: whether any of them is (collective)."""
    import ray.train

    return ray.train.get_preemption_info() is not None
