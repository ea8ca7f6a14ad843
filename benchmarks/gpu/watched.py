"""Trainings by `raycl.train.loop.train` that a measurement looks into after each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import torch
from torch.distributed.tensor import DTensor

from benchmarks.gpu.report import Bench
from benchmarks.gpu.sizes import Size, make_task, write_rows
from raycl.data.rank_reader import direct_batches
from raycl.plan.execution import Execution
from raycl.storage import Storage
from raycl.train.loop import train
from raycl.train.observers import Observer
from raycl.train.trainer import Trainer

Look = Callable[[Trainer], None]
Tensors = dict[str, torch.Tensor]


class Enough(Exception):
    """Ends a training before its last step, whose save would take longer than the measurement."""


def steps(
    bench: Bench,
    size: Size,
    execution: Execution,
    look: Look,
    *,
    folder: str = "run",
    built: Look | None = None,
) -> None:
    """Train for `size.steps` steps, or on from the last state in the folder.

    `built` sees the training before its first step, `look` sees it after each one.
    """
    task = make_task(replace(size, steps=size.steps + 1), execution)
    storage = Storage(bench.scratch / folder)
    write_rows(storage, task)
    trainers: list[Trainer] = []

    class Watched(Trainer):
        """Leaves itself in the list."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            trainers.append(self)
            if built is not None:
                built(self)

    class Looks(Observer):
        def on_step(self, step: int) -> None:
            look(trainers[0])
            if step == size.steps:
                raise Enough

    try:
        with mock.patch("raycl.train.loop.Trainer", Watched):
            batches = direct_batches(task, storage, 0, 1)
            train(task, storage, batches, lambda _: None, observers=[Looks()])
    except Enough:
        return
    finally:
        trainers.clear()  # its class is in a reference cycle, and would keep the model
    raise AssertionError("the training ended before its last look")


def tensors(trainer: Trainer) -> Tensors:
    """Copies of all weights and of AdamW's moments, on the CPU."""
    found: Tensors = {}
    optimizer = trainer._optimizer  # no one but a measurement needs it, so that it is not public
    for name, parameter in trainer.model.named_parameters():
        found[name] = _copied(parameter)
        for key, value in optimizer.state.get(parameter, {}).items():
            found[f"{name}.{key}"] = _copied(value)
    return found


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    local = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return local.detach().to("cpu", copy=True)


def difference(one: Tensors, other: Tensors) -> float:
    """The largest difference of a number; 0 where all bits agree, ∞ where names differ."""
    if one.keys() != other.keys():
        return float("inf")
    apart = [name for name in one if not torch.equal(one[name], other[name])]
    if not apart:
        return 0.0
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in apart)
