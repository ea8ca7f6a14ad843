"""The memory of this machine, and how often its kernel has ended a process for want of it."""

from __future__ import annotations

import os
from pathlib import Path

_COUNTERS = ("/sys/fs/cgroup/memory.events", "/proc/vmstat")
"""Of this container, and of the whole machine. The kernel tells neither process which it ended."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Of this container, under the second and the first version of control groups."""


def machine_memory() -> float:
    """Bytes of the machine's memory, or of this container's limit where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _LIMITS:
        try:
            limit = Path(file).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if limit.isdigit():  # else it says `max`
            total = min(total, int(limit))
    return float(total)


def worker_memory() -> float:
    """Bytes of one CPU's part of the machine, which a worker on a CPU may take."""
    return machine_memory() / (os.cpu_count() or 1)


def memory_kills() -> int:
    """Processes that the kernel has ended for memory since the machine or container began."""
    return sum(_counted(Path(file)) for file in _COUNTERS)


def _counted(file: Path) -> int:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    pairs = [line.split() for line in lines]
    return sum(int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == "oom_kill")
