"""Decides after which steps a node validates, saves and keeps a state. `step` counts steps done."""

from __future__ import annotations

from raycl.plan.training import Training


def validates_after(task: Training, step: int) -> bool:
    """Whether to validate: every `validation.every` steps, at the node's end, before a hand-off."""
    return (
        step == task.stop or _at(task.validation.every, step) or task.chain.resets_optimizer(step)
    )


def saves_after(task: Training, step: int) -> bool:
    """Whether to save: every `save_every` and `keep_every` steps, and at the node's end."""
    return stays_after(task, step) or _at(task.execution.save_every, step)


def stays_after(task: Training, step: int) -> bool:
    """Whether a state stays: every `keep_every` steps, to branch from it, and at the node's end."""
    return step == task.stop or _at(task.execution.keep_every, step)


def _at(every: int | None, step: int) -> bool:
    return bool(every and step % every == 0)
