"""Observers: small objects that are told what the training loop does, and cannot change it.

Something new that wants to follow a training (a tracker, a profiler, an alarm) is an observer and
not an edit of the loop. A whole one, which notes how low the loss has been:

    class LowestLoss(Observer):
        def __init__(self) -> None:
            self.loss = math.inf

        def on_metrics(self, metrics: dict[str, Any]) -> None:
            self.loss = min(self.loss, metrics["loss"])

    lowest = LowestLoss()
    train(task, storage, batches, report, observers=[lowest])

All that an observer gets is a number of steps or its own copy of the newest numbers. Nothing leads
from there to the model, the optimizer or the rows, so a training with observers ends in the same
bits as one without. What a hook raises ends the training, as an error of the loop would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Report = Callable[[dict[str, Any]], None]
"""Gets the newest numbers of a training."""


class Observer:
    """Hooks that the loop calls on every rank, in this process; each does nothing by itself."""

    def on_step(self, step: int) -> None:
        """`step` steps are done. A device may still be computing the last of them."""

    def on_metrics(self, metrics: dict[str, Any]) -> None:
        """The newest numbers, about once a second and after every validation.

        `step` is the number of steps done; after a validation `validation/<corpus>` are there too.
        """

    def on_end(self, metrics: dict[str, Any]) -> None:
        """The node's end state is in storage. Not called where training was interrupted."""


class Reporting(Observer):
    """Hands all numbers to a function, as a sweep does that collects them."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def on_metrics(self, metrics: dict[str, Any]) -> None:
        """Report them."""
        self._report(metrics)

    def on_end(self, metrics: dict[str, Any]) -> None:
        """Report the last ones."""
        self._report(metrics)


class Observers(Observer):
    """Several observers as one. Each gets a copy of the numbers: one cannot change another's."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def on_step(self, step: int) -> None:
        """Tell all of them."""
        for observer in self._observers:
            observer.on_step(step)

    def on_metrics(self, metrics: dict[str, Any]) -> None:
        """Tell all of them."""
        for observer in self._observers:
            observer.on_metrics(dict(metrics))

    def on_end(self, metrics: dict[str, Any]) -> None:
        """Tell all of them."""
        for observer in self._observers:
            observer.on_end(dict(metrics))
