"""Tells a worker whether Ray knows that its machine is about to be taken away."""

from __future__ import annotations

from collections.abc import Callable

from raycl.cluster.ray_internals import is_draining


def trial_is_preempted() -> Callable[[], bool]:
    """A check for a Tune trial that trains alone: it asks Ray's control store, a small request."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    return lambda: is_draining(node)


def worker_is_preempted() -> bool:
    """Whether any worker of this TorchTrainer is on a machine to be taken away (collective)."""
    import ray.train

    return ray.train.get_preemption_info() is not None
