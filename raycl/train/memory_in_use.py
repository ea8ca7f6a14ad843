"""The most memory that a node's training has held, on the device or in a process of the CPU."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

_SELF = Path("/proc/self")


def restart_peak(device: torch.device) -> None:
    """Count from what is held now: the process may have trained other nodes before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):  # Linux alone has this, and some containers forbid it
        (_SELF / "clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """Bytes: on CUDA of PyTorch's tensors, on the CPU of the whole process; 0 where not known."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, StopIteration):
        lines = (_SELF / "status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024
    return 0
