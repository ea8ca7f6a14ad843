"""Resident memory of this process, and an allocator that keeps nothing of what is freed."""

from __future__ import annotations

import ctypes
from pathlib import Path

# From glibc's malloc.h; see mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


def return_freed_memory() -> None:
    """Have glibc give freed blocks of 64 KiB and more back at once, and use one arena.

    What a process keeps for later would be counted otherwise. It is as the variables
    `MALLOC_MMAP_THRESHOLD_`, `MALLOC_TRIM_THRESHOLD_` (65536) and `MALLOC_ARENA_MAX` (1) do, for
    processes that are forked.
    """
    libc = ctypes.CDLL(None)
    for option, value in ((_TRIM_THRESHOLD, 65536), (_MMAP_THRESHOLD, 65536), (_ARENA_MAX, 1)):
        libc.mallopt(option, value)


def resident() -> int:
    """Bytes in use now."""
    return _status("VmRSS")


def peak() -> int:
    """The most bytes in use since the process began, or since `restart_peak`."""
    return _status("VmHWM")


def restart_peak() -> None:
    """Let the peak begin again at what is in use now; see proc(5)."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{field}:"))) * 1024
