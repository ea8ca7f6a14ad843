"""Measures tokens/s of the training loop on one device, its peak memory and costly operations.

Observers of the loop measure them. They end the loop before its last step, because writing the end
state of a large model would take longer than all measurements here.
"""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu_runs import Case, make_task, write_rows
from raycl.data.rank_reader import direct_batches
from raycl.plan.execution import Execution
from raycl.plan.presets import flops_per_token
from raycl.storage import Storage
from raycl.train.loop import train
from raycl.train.observers import Observer

PEAK_FLOPS = 989e12
"""Dense bfloat16 of an H100 SXM and of an H200, as NVIDIA states it."""
_PROFILED_STEPS = 3
_TOP = 15


class Enough(Exception):
    """Raised by an observer to end the loop, when all steps to measure are done."""


class _Clock(Observer):
    """Times the steps after the warm-up, the device's work included."""

    def __init__(self, case: Case, device: torch.device) -> None:
        self._first, self._last = case.warmup, case.warmup + case.size.steps
        self._device = device
        self._began = self.seconds = 0.0

    def on_step(self, step: int) -> None:
        """Begin after the warm-up, end after the last timed step."""
        # The host only launches a step. The clock is read when the device has done it.
        if step not in (self._first, self._last):
            return
        _wait_for(self._device)
        if step == self._first:
            self._began = time.perf_counter()
        else:
            self.seconds = time.perf_counter() - self._began
            raise Enough


class _Profiler(Observer):
    """Profiles some steps after the warm-up."""

    def __init__(self, case: Case, device: torch.device) -> None:
        self._first, self._device = case.warmup, device
        activities = [ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        self.profile = profile(activities=activities)

    def on_step(self, step: int) -> None:
        """Begin after the warm-up, end some steps later."""
        if step == self._first:
            _wait_for(self._device)
            self.profile.start()
        elif step == self._first + _PROFILED_STEPS:
            _wait_for(self._device)
            self.profile.stop()
            raise Enough


def speed(case: Case, scratch: Path, device: torch.device) -> dict[str, Any]:
    """Tokens/s, model FLOPs utilisation (MFU) and peak memory of a case in bfloat16."""
    clock = _Clock(case, device)
    _forget(device)
    if case.compile:
        # After other sizes, torch.compile would make slower code that takes sizes of any kind.
        torch.compiler.reset()
    _run(case, scratch, clock)
    rate = case.size.steps * case.size.tokens_per_step / clock.seconds
    found: dict[str, Any] = {
        "tokens/s": round(rate),
        "seconds a step": clock.seconds / case.size.steps,
    }
    if device.type == "cuda":
        flops = flops_per_token(case.size.config, case.size.sequence_length)
        found["MFU"] = round(rate * flops / PEAK_FLOPS, 4)
        found["peak memory GiB"] = round(torch.cuda.max_memory_allocated(device) / 2**30, 2)
    return found


def profiled_ops(case: Case, scratch: Path, device: torch.device) -> dict[str, Any]:
    """The operations with the most device time in three steps, with ms a step and their share."""
    profiler = _Profiler(case, device)
    _forget(device)
    _run(case, scratch, profiler)
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    # The profiler lists a kernel beside the operation that launches it. Only operations are kept,
    # so that no time counts twice.
    rows = [
        (row.key, float(getattr(row, kind)), int(row.count))
        for row in profiler.profile.key_averages()
        if row.device_type.name == "CPU"
    ]
    total = sum(microseconds for _, microseconds, _ in rows) or 1.0
    rows.sort(key=lambda row: -row[1])
    return {
        f"{place:2} {name[:44]}": {
            "ms a step": round(microseconds / 1e3 / _PROFILED_STEPS, 3),
            "share": round(microseconds / total, 4),
            "calls a step": round(count / _PROFILED_STEPS, 1),
        }
        for place, (name, microseconds, count) in enumerate(rows[:_TOP], 1)
    }


def _run(case: Case, scratch: Path, observer: Observer) -> None:
    """Train until the observer has seen enough."""
    # The node has one step more than is measured, because it saves its state after the last one.
    size = replace(case.size, steps=case.warmup + max(case.size.steps, _PROFILED_STEPS) + 1)
    execution = Execution(micro_batch=case.micro_batch, precision="bfloat16", compile=case.compile)
    task = make_task(size, execution)
    storage = Storage(scratch / f"{size.preset}-{size.sequence_length}")
    write_rows(storage, task)
    batches = direct_batches(task, storage, 0, 1)
    try:
        train(task, storage, batches, lambda _: None, observers=[observer])
    except Enough:
        return
    raise AssertionError("the loop ended before the observer had seen enough")


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget(device: torch.device) -> None:
    """Free the memory of the case before, and count peak memory from here on."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
