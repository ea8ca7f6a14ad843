"""What a sweep notes of one node while it trains it, to write its live record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from raycl.watch.live_record import MOST_LINES, MOST_POINTS, Curve, LiveNode, LiveStatus, LogLine
from raycl.watch.pace import Pace
from raycl.watch.progress import finite
from raycl.watch.text import VALIDATION

_NUMBERS = ("loss", "learning_rate", "tokens_per_second", "mfu", "peak_memory", "data_wait_share")
_CURVES = ("loss", "learning_rate", "tokens_per_second")
_DIGITS = 6
"""Digits of a number in a record: it is to be looked at, and histories have them all."""
_LONGEST = 2000
"""Characters of a line of a log."""


class LiveNotes:
    """The newest numbers, the curves and the log of a node."""

    def __init__(self, node: str, title: str, steps: tuple[int, int], started: datetime) -> None:
        """`steps` are the first and the last one, counted from the beginning of the recipe."""
        self.node, self.title, self.started = node, title, started
        self.first_step, self.last_step = steps
        self.status: LiveStatus = "starting"
        self.written_at: float | None = None
        """When the record was last written, by the writer's clock."""
        self.is_ended = False
        self._updated, self._step = started, self.first_step
        self._first_report: int | None = None
        self._pace = Pace()
        self._numbers: dict[str, float] = {}
        self._curves: dict[str, list[tuple[int, float]]] = {}
        self._log: list[LogLine] = []

    def log(self, at: datetime, kind: str, text: str) -> None:
        """Add a line to the log."""
        self._log.append(LogLine(at=at, kind=kind, text=text[:_LONGEST]))
        del self._log[:-MOST_LINES]
        self._updated = max(self._updated, at)

    def report(self, numbers: Mapping[str, Any], clock: float, now: datetime) -> bool:
        """Note numbers of the loop, read at `clock` seconds; whether they are such."""
        told = finite(numbers)
        if "step" not in told or "loss" not in numbers:
            return False
        step = int(told["step"])
        if self._first_report is None:
            self._first_report = step
        self.status, self._updated = "training", now
        if step < self._step:
            self._cut(self._curves, step)
        self._step = step
        self._pace.add(step, clock)
        kept = {n: _short(v) for n, v in told.items() if n in _NUMBERS or n.startswith(VALIDATION)}
        self._numbers |= kept
        for name, value in kept.items():
            if name in _CURVES or name.startswith(VALIDATION):
                self._add(name, step, value)
        return True

    def _add(self, name: str, step: int, value: float) -> None:
        points = self._curves.setdefault(name, [])
        if points and points[-1][0] >= step:  # the end is reported twice
            points.pop()
        points.append((step, value))
        self._curves[name] = _thinned(points)

    @staticmethod
    def _cut(curves: dict[str, list[tuple[int, float]]], step: int) -> None:
        """Leave out what was told of this step and later ones, which are trained again."""
        for name, points in curves.items():
            curves[name] = [point for point in points if point[0] < step]

    def go_on_from(self, earlier: LiveNode) -> None:
        """Put the log of an earlier training before this one, and its curves up to this one.

        Where nothing was reported yet, all of its curves stay, and the first report cuts them.
        """
        curves = {
            name: list(zip(curve.steps, curve.values, strict=False))
            for name, curve in earlier.curves.items()
        }
        if self._first_report is not None:
            self._cut(curves, self._first_report)
        else:
            self._step = max(self._step, min(earlier.step, self.last_step))
            self._numbers = dict(earlier.numbers)
        for name, points in self._curves.items():
            curves[name] = _thinned([*curves.get(name, []), *points])
        self._curves = curves
        self._log = [*earlier.log, *self._log][-MOST_LINES:]

    def record(self, holder: str, sweeps: Sequence[str]) -> LiveNode:
        """All of it as a record."""
        left = self._pace.seconds_for(self.last_step - self._step)
        is_over = self.status in ("finished", "failed", "left", "retried")
        return LiveNode(
            node=self.node,
            title=self.title,
            sweeps=tuple(sweeps),
            holder=holder,
            status=self.status,
            started=self.started,
            updated=self._updated,
            first_step=self.first_step,
            last_step=self.last_step,
            step=self.last_step if self.status == "finished" else self._step,
            seconds_left=None if is_over or left is None else _short(left),
            numbers=dict(self._numbers),
            curves={
                name: Curve(
                    steps=tuple(step for step, _ in points),
                    values=tuple(value for _, value in points),
                )
                for name, points in self._curves.items()
                if points
            },
            log=tuple(self._log),
        )


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Every second point, the newest among them, where they are too many."""
    return points if len(points) <= MOST_POINTS else points[(len(points) - 1) % 2 :: 2]
