"""Times of a device's work, and of steps of the real loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.gpu.report import Bench
from benchmarks.gpu.sizes import Size
from benchmarks.gpu.watched import steps
from raycl.plan.execution import Execution
from raycl.plan.peak_flops import peak_flops
from raycl.plan.presets import flops_per_token
from raycl.train.trainer import Trainer


def milliseconds(bench: Bench, work: Callable[[], object], times: int, warmup: int = 3) -> float:
    """The mean time of `work`, with the device's part of it."""
    for _ in range(warmup):
        work()
    bench.wait()
    began = time.perf_counter()
    for _ in range(times):
        work()
    bench.wait()
    return (time.perf_counter() - began) * 1e3 / times


@dataclass(frozen=True)
class Speed:
    """How fast a training went, and the most memory that it took."""

    tokens_per_second: float
    mfu: float | None
    peak_gib: float

    def row(self) -> dict[str, Any]:
        """The same for a table."""
        found: dict[str, Any] = {"tokens/s": round(self.tokens_per_second)}
        if self.mfu is not None:
            found["MFU"] = round(self.mfu, 4)
        return {**found, "GiB": round(self.peak_gib, 2)}


def speed_of(bench: Bench, size: Size, seconds: float) -> Speed:
    """The speed of `size.steps` steps that took so long."""
    rate = size.steps * size.tokens_per_step / seconds
    return Speed(rate, _utilization(bench, size, rate), bench.peak_gib())


def _utilization(bench: Bench, size: Size, rate: float) -> float | None:
    name = torch.cuda.get_device_name(bench.device) if bench.cuda else "cpu"
    peak = peak_flops(name, "bfloat16")
    return (
        None if peak is None else rate * flops_per_token(size.config, size.sequence_length) / peak
    )


def training_speed(bench: Bench, size: Size, execution: Execution) -> Speed:
    """The speed of raycl's loop after a warm-up."""
    bench.forget()
    if bench.cuda:
        torch.compiler.reset()  # after other sizes, compiled code would take sizes of any kind
    times: dict[int, float] = {}
    first, last = bench.sizes.warmup, bench.sizes.warmup + size.steps

    def look(trainer: Trainer) -> None:
        if trainer.step in (first, last):
            bench.wait()  # the host only launches steps
            times[trainer.step] = time.perf_counter()

    steps(bench, replace(size, steps=last), execution, look, folder=f"speed-{size.preset}")
    return speed_of(bench, size, times[last] - times[first])
