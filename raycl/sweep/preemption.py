"""Tells a worker whether Ray knows that its machine is about to be taken away."""

from __future__ import annotations

import time
from collections.abc import Callable

from raycl.cluster.ray_internals import is_draining

_SECONDS = 1.0
"""The shortest time between two requests of one worker; notices come 30 s ahead or earlier."""


def is_preempted() -> Callable[[], bool]:
    """A check for the process that trains: it asks Ray's control store, a small request.

    Each worker of a node asks for its own machine; the training loop tells the others.
    """
    import ray

    node = ray.get_runtime_context().get_node_id()
    return seldom(lambda: is_draining(node))


def seldom(check: Callable[[], bool], seconds: float = _SECONDS) -> Callable[[], bool]:
    """The check, which is made at most once in `seconds`; in between its last answer stands."""
    answer, last = False, -float("inf")

    def checked() -> bool:
        nonlocal answer, last
        now = time.monotonic()
        if now - last >= seconds:
            answer, last = check(), now
        return answer

    return checked
