"""Ctrl-C and SIGTERM: what they raise, and how often one of them is meant."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SAME_SECONDS = 1.0
"""Signals that follow each other within this time are one. `timeout` sends each of them twice, to
its command and to the group of processes, and so do wrappers that pass a Ctrl-C on."""
_SHELLS = 128
"""A shell adds this to the number of the signal that ended a command."""


class Interruption(KeyboardInterrupt):
    """Raised where a signal ends the work; `str()` says what was saved, and may be empty."""

    def __init__(self, number: int = signal.SIGINT, told: str = "") -> None:
        super().__init__(told)
        self.number = number

    @property
    def code(self) -> int:
        """The exit code by which shells know it: 130 for SIGINT and 143 for SIGTERM."""
        return _SHELLS + int(self.number)


def interruption_in(error: BaseException | None) -> Interruption:
    """The interruption that an error came from; one of SIGINT where none is known."""
    while error is not None and not isinstance(error, Interruption):
        error = error.__cause__ or error.__context__
    return error or Interruption()


def interrupt(number: int) -> None:
    """End the work at once. Raises Interruption."""
    raise Interruption(number)


@contextmanager
def on_signals(
    first: Callable[[int], None] = interrupt, *numbers: signal.Signals
) -> Iterator[None]:
    """Call `first(number)` at the first of these signals inside the block; default: both.

    Any later one raises Interruption, apart from one that is the same again. Blocks may be nested:
    the innermost hears of a signal. Python lets only the main thread set handlers, so elsewhere
    nothing happens.
    """
    heard = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal heard
        if _is_same():
            return
        if heard:
            interrupt(number)
        heard = True
        first(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = numbers or (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def exit_as_interruption() -> Iterator[None]:
    """Raise Interruption where a library's own handler of SIGTERM ends the process in the block."""
    try:
        yield
    except SystemExit as error:
        raise Interruption(signal.SIGTERM) from error


def _is_same() -> bool:
    """Whether the signal that came is the one before once more; notes that it came."""
    now = time.monotonic()
    is_same = now - _latest[0] < SAME_SECONDS
    if not is_same:
        _latest[0] = now
    return is_same


_latest = [float("-inf")]
"""When the last signal came that was not the same again, by the monotonic clock."""
