"""raycl's own training loop, on one worker or as one of several."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from benchmarks.loops.sizes import (
    BETAS,
    CLIP,
    CONFIG,
    LENGTH,
    MAX_LR,
    WARMUP,
    WEIGHT_DECAY,
    Rows,
    Speed,
    Stopwatch,
    workers,
)
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.execution import Execution
from raycl.plan.mixture import Mixture, Source
from raycl.plan.optimizer import Optimizer
from raycl.plan.schedule import Constant
from raycl.plan.training import ModelSpec, Training
from raycl.storage import Storage
from raycl.train.loop import train
from raycl.train.observers import Observer


class _Enough(Exception):
    """Raised after the last timed step: the save that would follow is no part of the loop."""


class _Clock(Observer):
    """Times the steps from the warm-up to the last."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._watch = Stopwatch()
        self.speed = Speed(0.0, 0.0)

    def on_step(self, step: int) -> None:
        """Begin after the warm-up, end after the last step."""
        if step == WARMUP:
            self._watch = Stopwatch()
        elif step == len(self._rows):
            self.speed = self._watch.speed(self._rows)
            raise _Enough


def make_task(steps: int, batch: int, execution: Execution) -> Training:
    """The node to train. It has no validation, because the other loops have none."""
    mixture = Mixture((Source("c", Fraction(1), limit=10**9, at_end="repeat"),), batch, Fraction(0))
    stage = ChainStage("s", steps, Constant(max_lr=MAX_LR), mixture)
    chain = Chain({"seed": 0}, [stage], {"c": "0"}, LENGTH)
    optimizer = Optimizer(
        beta1=BETAS[0], beta2=BETAS[1], weight_decay=WEIGHT_DECAY, gradient_clip=CLIP
    )
    model = ModelSpec(CONFIG)
    return Training(chain, 0, steps, model, optimizer, 0, LENGTH, corpora={}, execution=execution)


def raycl_loop(rows: Rows, compiled: bool = False) -> Speed:
    """Speed of `raycl.train.loop.train`; `rows` are those of this worker."""

    def batches(first: int) -> Iterator[np.ndarray]:
        yield from rows[first:]

    clock = _Clock(rows)
    # One step more than is made, so that the loop does not end with a save.
    task = make_task(len(rows) + 1, len(rows[0]) * workers(), Execution(compile=compiled))
    with tempfile.TemporaryDirectory(prefix="raycl-beside-") as folder:
        try:
            train(task, Storage(folder), batches, lambda _: None, observers=[clock])
        except _Enough:
            return clock.speed
    raise AssertionError("the loop ended before its last step")
