"""What a step does beside its arithmetic: it waits for nothing, and its bits are the right ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch

from benchmarks.gpu.report import Bench, Row
from benchmarks.gpu.watched import Tensors, difference, steps, tensors
from raycl.plan.execution import Execution
from raycl.train.trainer import Trainer


def no_wait(bench: Bench) -> Iterator[Row]:
    """CUDA raises an error wherever the host waits for the device, in steps after the second."""
    size, first = replace(bench.sizes.small, steps=3 * bench.sizes.small.steps), 2

    def look(trainer: Trainer) -> None:
        if bench.cuda:
            within = first <= trainer.step < size.steps
            torch.cuda.set_sync_debug_mode("error" if within else "default")

    try:
        steps(bench, size, Execution(), look, folder="no-wait")
    finally:
        if bench.cuda:
            torch.cuda.set_sync_debug_mode("default")
    name = f"waits of the host in {size.steps - first} steps"
    yield Row(name, 0 if bench.cuda else "CUDA only", "0", True if bench.cuda else None)


def not_finite(bench: Bench) -> Iterator[Row]:
    """A step whose loss is made NaN leaves every bit of weights and moments as it was."""
    states: dict[int, Tensors] = {}

    def built(trainer: Trainer) -> None:
        def spoil(_: Any, __: Any, loss: torch.Tensor) -> torch.Tensor:
            return loss * float("nan") if trainer.step == 2 else loss

        trainer.model.register_forward_hook(spoil)

    def look(trainer: Trainer) -> None:
        states[trainer.step] = tensors(trainer)

    size = replace(bench.sizes.small, steps=4)
    steps(bench, size, Execution(), look, folder="not-finite", built=built)
    skipped, after = difference(states[2], states[3]), difference(states[3], states[4])
    yield Row("change by a step with a loss of NaN", skipped, "0", skipped == 0)
    yield Row("change by the step after it", after, "above 0", after > 0)


def same_bits(bench: Bench) -> Iterator[Row]:
    """The same steps twice, with and without determinism."""
    count = bench.sizes.small.steps
    for deterministic in (True, False):
        kind = "deterministic" if deterministic else "not deterministic"
        with _deterministic(deterministic) as execution:
            ends = [_end(bench, execution, f"bits-{kind}-{number}") for number in range(2)]
        apart = difference(*ends)
        expected, met = ("0", apart == 0) if deterministic else ("small", None)
        yield Row(f"{count} steps twice, {kind}", apart, expected, met)


def _end(bench: Bench, execution: Execution, folder: str) -> Tensors:
    """Weights and moments at the end of a training of the small model."""
    end: Tensors = {}

    def look(trainer: Trainer) -> None:
        if trainer.step == bench.sizes.small.steps:
            end.update(tensors(trainer))

    steps(bench, bench.sizes.small, execution, look, folder=folder)
    return end


@contextmanager
def _deterministic(wanted: bool) -> Iterator[Execution]:
    if "deterministic" in Execution.model_fields:
        yield Execution.model_validate({"deterministic": wanted})
        return
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    try:
        yield Execution()
    finally:
        torch.use_deterministic_algorithms(False)


def between_nodes(bench: Bench) -> Iterator[Row]:
    """Memory of the device that is still taken when a node of this process has ended."""
    size = replace(bench.sizes.small, steps=2)
    for number in (1, 2):
        peaks: list[float] = []

        def look(_: Trainer, peaks: list[float] = peaks) -> None:
            peaks.append(bench.peak_gib())

        steps(bench, size, Execution(), look, folder=f"node-{number}")
        left = torch.cuda.memory_allocated(bench.device) / 2**30 if bench.cuda else 0.0
        value = {"GiB left": round(left, 3), "GiB at most": round(max(peaks), 3)}
        met = left < 0.1 * max(peaks) if bench.cuda else None
        yield Row(f"after node {number}", value, "little is left", met)


def memory_cap(bench: Bench) -> Iterator[Row]:
    """The micro-batch that the training takes, halved where the allowed memory holds it not.

    The estimate knows the device's memory alone, so that the cap makes the first step fail.
    """
    size = replace(bench.sizes.large, steps=2)
    found: list[int] = []
    cap = _capped(bench) if bench.cuda else nullcontext()
    with cap:
        steps(
            bench,
            size,
            Execution(),
            lambda trainer: found.append(trainer._micro_batch.rows),
            folder="cap",
        )
    value = {"rows": found[-1], "GiB": round(bench.peak_gib(), 2)}
    expected = f"trains in {bench.sizes.memory_fraction:.0%} of the memory, halved once"
    yield Row("automatic micro-batch", value, expected, True if bench.cuda else None)


@contextmanager
def _capped(bench: Bench) -> Iterator[None]:
    bench.forget()
    torch.cuda.set_per_process_memory_fraction(bench.sizes.memory_fraction, bench.device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)
