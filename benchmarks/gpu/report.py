"""Runs sections one after another, each guarded and limited in time, and writes their rows."""

from __future__ import annotations

import contextlib
import gc
import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.sizes import Sizes


@dataclass(frozen=True)
class Row:
    """One result, with what was expected of it beside it."""

    name: str
    value: Any
    expected: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Bench:
    """What a section measures with."""

    sizes: Sizes
    device: torch.device
    scratch: Path

    @property
    def cuda(self) -> bool:
        """Whether there is a GPU; without one the numbers mean nothing but that the code runs."""
        return self.device.type == "cuda"

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def forget(self) -> None:
        """Free what earlier trainings left, and count peak memory from here on."""
        gc.collect()
        if self.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_gib(self) -> float:
        """The most memory of the device that tensors took since `forget`; 0 on the CPU."""
        return torch.cuda.max_memory_allocated(self.device) / 2**30 if self.cuda else 0.0


@dataclass(frozen=True)
class Section:
    """Rows that belong together, and the seconds they may take."""

    name: str
    seconds: float
    rows: Callable[[Bench], Iterator[Row]]


class OutOfTime(BaseException):
    """A section's time is over. Not an Exception, which code in between could catch."""


class Report:
    """The rows so far, in memory and in the JSON file; no section begins after `seconds`."""

    def __init__(self, path: Path | None, seconds: float) -> None:
        self.rows: list[tuple[str, Row]] = []
        self._path, self._began, self._seconds = path, time.perf_counter(), seconds

    def run(self, section: Section, bench: Bench) -> None:
        """Add the section's rows as they come; an error or the end of its time is a row too."""
        began = time.perf_counter()
        left = min(section.seconds, self._seconds - (began - self._began))
        if left <= 0:
            self._add(section, Row("left out", f"{self._seconds:.0f} s were over"))
            return
        try:
            with _time_limit(left):
                for row in section.rows(bench):
                    self._add(section, row)
        except OutOfTime:
            self._add(section, Row("cut off", f"after {left:.0f} s"))
        except Exception as error:
            self._add(section, Row("failed", f"{type(error).__name__}: {_first_lines(error)}"))
        finally:
            bench.forget()
        self._add(section, Row("seconds", round(time.perf_counter() - began, 1)))

    def _add(self, section: Section, row: Row) -> None:
        self.rows.append((section.name, row))
        print(
            f"[{time.perf_counter() - self._began:6.1f} s] {_line(section.name, row)}", flush=True
        )
        if self._path is not None:
            found = [{"section": name, **asdict(part)} for name, part in self.rows]
            self._path.write_text(json.dumps(found, indent=1), encoding="utf-8")


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in the main thread after this time, between two Python instructions."""

    def end(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def table(rows: Sequence[tuple[str, Row]]) -> Iterator[str]:
    """Lines of a table of everything, with expectations and whether they were met."""
    yield _line("section", Row("what", "result", "expected"))
    for name, row in rows:
        if row.name != "seconds":
            yield _line(name, row)


def _line(name: str, row: Row) -> str:
    met = {None: "", True: "  met", False: "  NOT MET"}[row.met]
    return f"{name:18} {row.name:44} {_text(row.value):44} {row.expected}{met}".rstrip()


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " ".join(_text(part) for part in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
