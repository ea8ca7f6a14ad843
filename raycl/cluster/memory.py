"""How often the kernel has ended a process for want of memory, as far as this machine tells."""

from __future__ import annotations

from pathlib import Path

_COUNTERS = ("/sys/fs/cgroup/memory.events", "/proc/vmstat")
"""Of this container, and of the whole machine. The kernel tells neither process which it ended."""


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
