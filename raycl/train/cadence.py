"""Decides after which steps a node validates, saves and keeps a state. `step` counts steps done."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import timedelta

from raycl.plan.training import Training


def validates_after(task: Training, step: int) -> bool:
    """Whether to validate: every `validation.every` steps, at the node's end, before a hand-off."""
    return (
        step == task.stop or _at(task.validation.every, step) or task.chain.resets_optimizer(step)
    )


def saves_after(task: Training, step: int) -> bool:
    """Whether to save: every `save_every` and `keep_every` steps, and at the node's end.

    Where `save_every` is a time, the ranks find out together whether it is over (`SaveClock`).
    """
    every = task.execution.save_every
    return stays_after(task, step) or (isinstance(every, int) and _at(every, step))


def stays_after(task: Training, step: int) -> bool:
    """Whether a state stays: every `keep_every` steps, to branch from it, and at the node's end."""
    return step == task.stop or _at(task.execution.keep_every, step)


class SaveClock:
    """Says on one rank whether the time between two states is over; its answer is exchanged."""

    def __init__(
        self, every: int | timedelta | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = every.total_seconds() if isinstance(every, timedelta) else math.inf
        self._now = now
        self.restart()

    def restart(self) -> None:
        """Count from now on: a state is being written."""
        self._since = self._now()

    def is_over(self) -> bool:
        """Whether it is time to save."""
        return self._now() - self._since >= self._seconds


def _at(every: int | None, step: int) -> bool:
    return bool(every and step % every == 0)
