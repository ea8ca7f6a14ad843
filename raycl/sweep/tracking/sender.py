"""A tracker in a thread of its own: whatever becomes of it, the sweep neither waits nor ends."""

from __future__ import annotations

import os
import queue
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from raycl.sweep.tracking.tracker import End, Run, Tracker

MOST_WAITING = 20_000
"""Calls that wait for a tracker; while there are more, new numbers are left out."""
WAITS = (1.0, 5.0, 15.0)
"""Seconds before each further try of a call that has failed."""
CLOSE_SECONDS = 20.0
"""How long the end of a sweep waits for a tracker that has not received everything."""
INTERRUPTED_SECONDS = 3.0
"""The same after Ctrl-C, which has to be quick."""
_TICK_SECONDS = 1.0
_LONGEST_REASON = 200
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|WEBHOOK", re.IGNORECASE)
_LEAST_SECRET = 6


@dataclass
class Sender:
    """Hands calls on to a tracker, in their order. It is made, and told things, by one thread."""

    name: str
    tracker: Tracker
    waits: tuple[float, ...] = WAITS
    close_seconds: float = CLOSE_SECONDS
    _calls: queue.Queue[Callable[[], None] | None] = field(
        default_factory=lambda: queue.Queue(MOST_WAITING)
    )
    _news: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _closing: threading.Event = field(default_factory=threading.Event)
    _begun: set[str] = field(default_factory=set)
    """States of the runs that the tracker has begun, known to its thread alone."""
    _left_out: int = 0
    _has_told: bool = False

    def __post_init__(self) -> None:
        # A daemon: a tracker that hangs does not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"raycl-{self.name}", daemon=True)
        self._thread.start()

    def begin(self, run: Run) -> None:
        """Numbers of the run follow."""
        self._put(lambda: self._begin(run))

    def log(self, run: Run, step: int, numbers: Mapping[str, float]) -> None:
        """Newest numbers of a run."""
        at = time.time()

        def log() -> None:
            self._begin(run)  # which may have failed before
            self.tracker.log(run, step, numbers, at)

        self._put(log)

    def end(self, run: Run, how: End) -> None:
        """No more numbers of the run follow."""

        def end() -> None:
            self._begin(run)
            self.tracker.end(run, how)
            self._begun.discard(run.state)

        self._put(end)

    def news(self) -> list[str]:
        """Sentences for people that have come up since the last time."""
        found = []
        while not self._news.empty():
            found.append(self._news.get())
        return found

    def finish(self) -> None:
        """Nothing more is told; what waits is sent without pauses. Returns at once."""
        self._closing.set()
        with suppress(queue.Full):
            self._calls.put_nowait(None)

    def close(self, seconds: float | None = None) -> None:
        """Let the tracker have what waits, for at most `seconds`; default: `close_seconds`."""
        end = time.monotonic() + (self.close_seconds if seconds is None else seconds)
        self.finish()
        while self._thread.is_alive() and (left := end - time.monotonic()) > 0:
            with suppress(queue.Full):  # where `finish` had no room
                self._calls.put(None, timeout=left)
            self._thread.join(max(0.0, end - time.monotonic()))
        if self._thread.is_alive():
            self._tell(f"{self._calls.qsize()} calls were not sent when the sweep ended")
        elif self._left_out:
            self._tell(f"{self._left_out} calls were left out")

    def _put(self, call: Callable[[], None]) -> None:
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self._left_out += 1

    def _begin(self, run: Run) -> None:
        if run.state not in self._begun:
            self.tracker.begin(run)
            self._begun.add(run.state)

    def _work(self) -> None:
        next_tick = time.monotonic() + _TICK_SECONDS
        while True:
            try:
                call = self._calls.get(timeout=max(0.0, next_tick - time.monotonic()))
            except queue.Empty:
                self._try(self.tracker.tick)
                next_tick = time.monotonic() + _TICK_SECONDS
                continue
            if call is None:
                break
            self._try(call)
        self._try(self.tracker.close)

    def _try(self, call: Callable[[], None]) -> None:
        """Make a call, again where it fails; it is left out where it always does."""
        for wait in (*self.waits, None):
            try:
                call()
                return
            except Exception as error:  # whatever a library raises, training goes on
                self._tell_once(error)
            if wait is not None:
                self._closing.wait(wait)  # at the end of a sweep it is tried again at once
        self._left_out += 1

    def _tell_once(self, error: BaseException) -> None:
        if not self._has_told:
            self._has_told = True
            self._tell(f"{reason(error)}. It is tried again; training goes on")

    def _tell(self, problem: str) -> None:
        self._news.put(f"tracker {self.name}: {problem}")


def close_all(senders: Collection[Sender], seconds: float) -> None:
    """Let all of them have what waits, for so many seconds together."""
    end = time.monotonic() + seconds
    for sender in senders:
        sender.finish()
    for sender in senders:
        sender.close(max(0.05, end - time.monotonic()))


def reason(error: BaseException, environment: Mapping[str, str] | Any = os.environ) -> str:
    """What an error says, in one line without credentials."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    text = re.sub(r"(://)[^/@\s]*@", r"\1", text)
    for name, value in environment.items():
        if _SECRET_NAME.search(name) and len(value) >= _LEAST_SECRET:
            text = text.replace(value, "…")
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} …"
