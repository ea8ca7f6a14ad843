"""What a command and all its processes take: seconds of CPU, and the peak memory of each."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_EVERY = 0.1
"""Seconds between two looks; what a process does after the last one is not seen."""


@dataclass
class Use:
    """One process, as it was last seen."""

    command: str
    cpu: float
    """Seconds, of the process itself."""
    peak: int
    """Bytes: the largest resident set, pages that it shares with others included."""


@dataclass
class Measured:
    """One command."""

    wall: float
    """Seconds from its start to its end."""
    other_cpu: float = 0.0
    """Seconds of CPU that were counted otherwise."""
    processes: dict[tuple[int, float], Use] = field(default_factory=dict)

    @property
    def cpu(self) -> float:
        """Seconds of CPU of all its processes."""
        return self.other_cpu + self.cpu_of("")

    def cpu_of(self, part: str) -> float:
        """Seconds of CPU of the processes whose command has `part` in it."""
        return sum(use.cpu for use in self.processes.values() if part in use.command)

    def peak(self, part: str) -> int:
        """The largest peak among the processes whose command has `part` in it; 0 where none has."""
        return max((u.peak for u in self.processes.values() if part in u.command), default=0)


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end and watch it. Raises CalledProcessError where it fails."""
    began = time.perf_counter()
    measured = Measured(0.0)
    with subprocess.Popen(command, env=environment and dict(environment)) as process:
        while process.poll() is None:
            for seen in _family(process.pid):
                _look(seen, measured)
            time.sleep(_EVERY)
    measured.wall = time.perf_counter() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return measured


def _family(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(pid)
        yield first
        yield from first.children(recursive=True)


def _look(process: psutil.Process, measured: Measured) -> None:
    with contextlib.suppress(psutil.Error, OSError, StopIteration):
        times = process.cpu_times()
        # A Ray worker names itself after its task, by a title that ends in blanks.
        command = " ".join(process.cmdline()).strip()
        known = measured.processes.setdefault((process.pid, process.create_time()), Use("", 0, 0))
        known.command = command if command not in known.command else known.command
        known.cpu = times.user + times.system
        known.peak = _peak(process.pid)


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) * 1024
