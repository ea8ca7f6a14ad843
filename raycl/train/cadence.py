"""After which steps a node validates, saves, and keeps what it saved. `step` counts steps done."""

from __future__ import annotations

from raycl.plan.training import Training


def validates_after(task: Training, step: int) -> bool:
    """At the cadence, at the node's end, and before a hand-off."""
    return (
        step == task.stop or _at(task.validation.every, step) or task.chain.resets_optimizer(step)
    )


def saves_after(task: Training, step: int) -> bool:
    """At both cadences of states and at the node's end."""
    return stays_after(task, step) or _at(task.execution.save_every, step)


def stays_after(task: Training, step: int) -> bool:
    """Whether the state after `step` steps is kept: the node's end, and one to branch from."""
    return step == task.stop or _at(task.execution.keep_every, step)


def _at(every: int | None, step: int) -> bool:
    return bool(every and step % every == 0)
