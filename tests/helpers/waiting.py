"""Waiting for what other threads and processes do, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import psutil

# A test passes as soon as its condition holds, so a generous limit costs a healthy run nothing.
PATIENCE_SECONDS = 240.0
Seen = TypeVar("Seen")


def wait_until(
    condition: Callable[[], Seen],
    what: str,
    seconds: float = PATIENCE_SECONDS,
    every: float = 0.1,
) -> Seen:
    """The first true value of `condition()`, which is asked again `every` so many seconds.

    Raises AssertionError, naming `what` was waited for and the value last seen, when `seconds` are
    over. What `condition` raises ends the wait at once.
    """
    deadline = time.monotonic() + seconds
    while not (seen := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s until {what}; last seen: {seen!r}")
        time.sleep(every)
    return seen


def wait_until_ended(
    processes: Iterable[psutil.Process], seconds: float = PATIENCE_SECONDS
) -> None:
    """Until none of the processes runs; a zombie whose parent has not looked yet has ended."""
    watched = list(processes)
    try:
        wait_until(lambda: not any(map(_runs, watched)), "all processes have ended", seconds)
    except AssertionError as late:
        left = [process for process in watched if _runs(process)]
        raise AssertionError(f"{late}; still running: {left}") from None


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
