"""Copies between host and device that neither waits for, and moments on the device's own clock."""

from __future__ import annotations

import time

import torch


class Moment:
    """The moment at which a device has done all that was launched before; on the CPU this is now.

    The host runs ahead of a CUDA device, so its own clock says nothing about a step.
    """

    def __init__(self, device: torch.device) -> None:
        self._seconds = time.perf_counter()
        self._event: torch.cuda.Event | None = None
        if device.type == "cuda":
            self._event = torch.cuda.Event(enable_timing=True)
            self._event.record(torch.cuda.current_stream(device))

    def wait(self) -> None:
        """Return when it is reached. What was launched later goes on."""
        if self._event is not None:
            self._event.synchronize()

    def seconds_since(self, earlier: Moment) -> float:
        """Seconds between two moments of one device, both reached."""
        if self._event is None or earlier._event is None:
            return self._seconds - earlier._seconds
        return float(earlier._event.elapsed_time(self._event)) / 1000


def to_device(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the host on the device. A copy from memory that is not pinned would wait."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def to_host(values: torch.Tensor) -> torch.Tensor:
    """A tensor on the host, whose numbers are there once a `Moment` that follows is reached."""
    if values.device.type != "cuda":
        return values
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return host.copy_(values, non_blocking=True)
