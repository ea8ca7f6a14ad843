"""The training loop. It knows no Ray: it runs under pytest, torchrun and a Ray worker alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from raycl.plan.training import Training
from raycl.storage import Storage
from raycl.train.checkpoint.load import deepest_state, keep_state
from raycl.train.trainer import Session
from raycl.train.world import current_world

Batches = Callable[[int], Iterator[np.ndarray]]
Report = Callable[[dict[str, Any]], None]
Question = Callable[[], bool]


class Interrupted(Exception):
    """Training was asked to make room; what it had done is in storage."""


def never() -> bool:
    """Nobody asks."""
    return False


def train(
    task: Training, storage: Storage, batches: Batches, report: Report, asked: Question = never
) -> None:
    """Train up to the node's end from the deepest state of its chain that storage holds.

    `batches(first_step)` yields this rank's rows [global_batch / workers, length + 1] of every step
    from `first_step` on. `report` gets the newest numbers on rank 0, about once a second and at the
    end; `optimizer_steps` counts the updates of this call. Returns when the end state is committed.

    A step whose loss or gradient is not finite changes nothing and is counted in the history.
    `asked` is put to every rank about once a second, with the same answer on all of them: whether
    to save at once and stop.

    Raises Interrupted where it was asked to, InputError (damaged state, batch that does not fit),
    FloatingPointError (`max_skipped` such steps in a row, or one at the end without a finite
    validation; the message names the step and the last good state), RuntimeError (the rows end
    early), and whatever the storage raises.
    """
    world = current_world()
    if world.rank > 0:
        report = _silent
    found = world.agree(lambda: deepest_state(storage, task.chain, task.stop))
    if found is not None and found.step == task.stop:
        world.agree(lambda: keep_state(storage, found))
        report({"step": task.stop, "optimizer_steps": 0})
        return
    session = Session(task, storage, world, found)
    if session.step == 0:
        session.validate()
    stream = batches(session.step)
    while session.step < task.stop:
        session.train_step(stream)
        session.writer.check()
        if session.validation_due():
            session.validate()
            report(session.metrics())
        elif session.history.due():
            session.resolve()
            report(session.metrics())
            if session.step < task.stop and asked():
                session.save()
                session.writer.wait()
                raise Interrupted(f"saved after step {session.step} to make room")
        if session.save_due():
            session.save()
    session.writer.wait()
    report(session.metrics())


def _silent(_: dict[str, Any]) -> None:
    """The report of the ranks that nobody listens to."""
