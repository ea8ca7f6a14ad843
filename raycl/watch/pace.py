"""How fast steps are done, and how long the rest takes at that pace."""

from __future__ import annotations

from collections import deque

PACE_SECONDS = 60.0
"""The pace is that of the last minute."""


class Pace:
    """Steps over time. Times are seconds of a monotonic clock, whatever its zero.

    Validations and saves count: they are a part of how long a training takes.
    """

    def __init__(self, window: float = PACE_SECONDS) -> None:
        self._window = window
        self._points: deque[tuple[float, int]] = deque()

    def add(self, step: int, at: float) -> None:
        """Note that `step` steps are done. Fewer than before: training went back after a kill."""
        points = self._points
        if points and step < points[-1][1]:
            points.clear()
        points.append((at, step))
        # One point from before the window stays, so that slow steps have a pace too.
        while len(points) > 2 and points[1][0] < at - self._window:
            points.popleft()

    @property
    def steps_per_second(self) -> float | None:
        """None until two reports have come."""
        try:
            (began, first), (ended, last) = self._points[0], self._points[-1]
        except IndexError:
            return None
        return (last - first) / (ended - began) if ended > began and last > first else None

    def seconds_for(self, steps: int) -> float | None:
        """How long so many steps take; None where the pace is not known."""
        rate = self.steps_per_second
        return steps / rate if rate else None
