"""Trackers that follow a sweep's metrics: each is a name and a function that gives Tune callbacks.

Another tracker is one function here, in `TRACKERS`, and one test: Tune calls its callbacks in the
driver, once for each report of each node's trial. What a trial reports is written by
`raycl.train.loop`: the step, its losses, and its learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray import tune
from ray.tune.logger import TBXLoggerCallback

from raycl.errors import InputError


def tensorboard() -> list[tune.Callback]:
    """Event files in the trial's folder, which TensorBoard reads."""
    make: Any = TBXLoggerCallback  # has no types
    return [make()]


TRACKERS: dict[str, Callable[[], list[tune.Callback]]] = {"tensorboard": tensorboard}
DEFAULT = ("tensorboard",)


def tracker_callbacks(names: Sequence[str] = DEFAULT) -> list[tune.Callback]:
    """The callbacks of the trackers, in their order. Raises InputError for an unknown name."""
    for name in names:
        if name not in TRACKERS:
            raise InputError(f"tracker {name!r}", "not known", f"Known: {', '.join(TRACKERS)}")
    return [callback for name in names for callback in TRACKERS[name]()]
