"""Ends a process whose step does not end, so that a hang costs minutes and not a night.

A rank hangs where another one is gone or behind, where a read never returns, or where a driver is
stuck. An exception cannot reach such a thread, so the process ends; what started it tries again
from the newest state in storage.
"""

from __future__ import annotations

import faulthandler
import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed as dist

_TIMES_USUAL = 10.0
_REMEMBERED = 101
"""Steps of which the median is the usual time."""
_BETWEEN_NODES = 1800.0
"""Seconds for which a worker waits for others that still load, or finish an earlier write."""
_STDERR = 2
EXIT_STATUS = 70
"""Of a process that was ended; `EX_SOFTWARE` in sysexits.h."""


class Watchdog:
    """A thread that watches the steps of one training.

    A step may take `timeout`, or ten times the median step where that is longer. The first two are
    not watched: they compile, connect the workers and choose kernels. Nor is a validation or a
    save. Where `timeout` is None, nothing is.
    """

    def __init__(self, timeout: timedelta | None) -> None:
        self._timeout = timeout.total_seconds() if timeout else None
        self._took: deque[float] = deque(maxlen=_REMEMBERED)
        self._steps = 0
        self._began: float | None = None
        self._ended = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[Watchdog]:
        """Watch until the block ends."""
        thread = threading.Thread(target=self._run, name="raycl-watchdog", daemon=True)
        if self._timeout is not None:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            if self._timeout is not None:
                thread.join()
                _limit_collectives(_BETWEEN_NODES)

    @contextmanager
    def step(self) -> Iterator[None]:
        """A step is made inside the block."""
        began = time.monotonic()
        if self._steps >= 2:
            self._began = began
        try:
            yield
        finally:
            self._began = None
        self._took.append(time.monotonic() - began)
        self._steps += 1
        if self._steps == 2 and self._timeout is not None:
            # Beyond a step's own time, so that the watchdog is first and shows the stacks.
            _limit_collectives(1.5 * self.allowed(self._timeout) + 60)

    def allowed(self, timeout: float) -> float:
        """Seconds that a step may take."""
        usual = statistics.median(self._took) if self._took else 0.0
        return max(timeout, _TIMES_USUAL * usual)

    def _run(self) -> None:
        assert self._timeout is not None
        while not self._ended.wait(min(1.0, self._timeout / 10)):
            began = self._began  # read once: a step may end meanwhile
            if began is None:
                continue
            waited = time.monotonic() - began
            if waited > self.allowed(self._timeout):
                _end_process(self._steps, waited)


def _limit_collectives(seconds: float) -> None:
    """Let a collective of the main group fail that waits longer.

    PyTorch has no public name for it, and torchtitan uses the same one.
    """
    if dist.is_available() and dist.is_initialized():
        dist.distributed_c10d._set_pg_timeout(timedelta(seconds=seconds), None)


def _end_process(steps: int, waited: float) -> None:
    message = (
        f"\nraycl: a step has not ended for {waited:.0f} s, after {steps} steps of this process "
        "(execution.step_timeout). A worker is gone or stuck, or its rows do not arrive. "
        "The process ends; this is where each of its threads was:\n"
    )
    os.write(_STDERR, message.encode())
    faulthandler.dump_traceback(_STDERR, all_threads=True)
    os._exit(EXIT_STATUS)
