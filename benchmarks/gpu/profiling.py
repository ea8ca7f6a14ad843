"""A profile of three steps: the operations that take the device's time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.report import Bench, Row
from benchmarks.gpu.watched import steps
from raycl.plan.execution import Execution
from raycl.train.trainer import Trainer

_STEPS, _TOP = 3, 25


def profiling(bench: Bench) -> Iterator[Row]:
    """Kernels on CUDA, operations on the CPU, with ms a step and their share of all of them."""
    activities = [ProfilerActivity.CUDA] if bench.cuda else [ProfilerActivity.CPU]
    profiler, first = profile(activities=activities), bench.sizes.warmup

    def look(trainer: Trainer) -> None:
        if trainer.step in (first, first + _STEPS):
            bench.wait()
            (profiler.start if trainer.step == first else profiler.stop)()

    size = replace(bench.sizes.large, steps=first + _STEPS)
    execution = Execution(micro_batch=bench.sizes.micro_batches[0], compile=bench.cuda)
    steps(bench, size, execution, look, folder="profile")
    field = "self_device_time_total" if bench.cuda else "self_cpu_time_total"
    found = [(row.key, float(getattr(row, field)), row.count) for row in profiler.key_averages()]
    total = sum(microseconds for _, microseconds, _ in found) or 1.0
    for place, (name, spent, count) in enumerate(sorted(found, key=lambda row: -row[1])[:_TOP], 1):
        value = {
            "ms a step": round(spent / 1e3 / _STEPS, 3),
            "share": round(spent / total, 4),
            "calls a step": round(count / _STEPS, 1),
        }
        yield Row(f"{place:2} {name[:40]}", value)
