"""The training loop. It does not use Ray, so it runs under pytest, torchrun and a Ray worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from raycl.plan.training import Training, alike
from raycl.storage import Storage
from raycl.train.checkpoint.load import deepest_state, keep_state
from raycl.train.division import divided
from raycl.train.exchange import Question
from raycl.train.garbage import freed_afterwards, no_collection_in_steps
from raycl.train.interruption import SAVED, Interrupted
from raycl.train.kernels import kernels
from raycl.train.observers import Observer, Observers, Report, Reporting
from raycl.train.parallel.world import World, current_world
from raycl.train.trainer import Trainer
from raycl.train.watchdog import Watchdog

Batches = Callable[[int], Iterator[np.ndarray]]


def never() -> bool:
    """Never ask training to make room."""
    return False


def train(
    task: Training,
    storage: Storage,
    batches: Batches,
    report: Report,
    asked: Question = never,
    observers: Sequence[Observer] = (),
) -> None:
    """Train up to the node's end from the deepest state of its chain that storage holds.

    `batches(first_step)` yields this rank's share of the rows [share, length + 1] of every step
    from `first_step` on. `report` gets the newest numbers on rank 0, about once a second and at the
    end; `optimizer_steps` counts the updates of this call. `observers` are told of every step, on
    every rank. Returns when the end state is committed.

    A step whose loss or gradient is not finite changes nothing and is counted in the history.
    `asked` says whether this rank should make room; it is a question to this process alone. Its
    answer travels with the rank's numbers (about once a second, and with each validation or save).
    One rank that says yes is enough: all of them read it after the same step, save and stop there.
    With the last step it has no effect: the node is done.

    Raises Interrupted where it was asked to, InputError (damaged state, batch that does not fit),
    FloatingPointError (`max_skipped` such steps in a row, or one at the end without a finite
    validation; the message names the step and the last good state), RuntimeError (the rows end
    early), and whatever the storage or an observer raises.
    """
    world = divided(current_world(), task)
    told = Observers([Reporting(report), *observers] if world.rank == 0 else observers)
    with freed_afterwards(), kernels(world.device, task.execution.deterministic):
        for part in alike(task):
            _train(world, part, storage, batches, told, asked)


def _train(
    world: World,
    task: Training,
    storage: Storage,
    batches: Batches,
    told: Observer,
    asked: Question,
) -> None:
    found = world.agree(lambda: deepest_state(storage, task.chain, task.stop, task.least))
    if found is not None and found.step == task.stop:
        world.agree(lambda: keep_state(storage, found))
        told.on_end({"step": task.stop, "optimizer_steps": 0})
        return
    trainer = Trainer(task, storage, world, found, asked)
    if trainer.step == 0:
        trainer.validate()
    with no_collection_in_steps(), Watchdog(task.execution.step_timeout).watching() as watchdog:
        _steps(task, trainer, batches(trainer.step), told, watchdog)
    trainer.writer.wait()
    told.on_end(trainer.metrics())


def _steps(
    task: Training,
    trainer: Trainer,
    stream: Iterator[np.ndarray],
    told: Observer,
    watchdog: Watchdog,
) -> None:
    while trainer.step < task.stop:
        with watchdog.step():
            trainer.train_step(stream)
            told.on_step(trainer.step)
            news = trainer.exchange()
        if trainer.validation_due():
            trainer.validate()
        elif trainer.save_due() or trainer.asked_to_leave():
            trainer.resolve()
        elif not news:
            continue
        told.on_metrics(trainer.metrics())
        leaving = trainer.asked_to_leave() and trainer.step < task.stop
        # A state right after a skipped step is not saved. A training that was asked to leave then
        # continues up to a state that can be saved.
        if (leaving or trainer.save_due()) and trainer.save() and leaving:
            trainer.writer.wait()
            told.on_metrics({**trainer.metrics(), SAVED: trainer.step})
            raise Interrupted(f"saved after step {trainer.step} to make room")
