"""The channel between a trial and its worker group: nodes go one way, metrics the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raycl.plan.training import Training
from raycl.storage import Storage


@dataclass(frozen=True)
class Order:
    """A node that a worker group is to train."""

    training: Training
    storage: Storage
    train: Any
    """A function that takes the place of the training loop; None: the loop itself."""


@dataclass(frozen=True)
class News:
    """What a trial learns of its order."""

    metrics: tuple[dict[str, Any], ...]
    """Metrics that rank 0 has reported since the last news, the oldest first."""
    finished: bool
    """Whether all workers have trained the latest order."""
    ended: bool
    """Whether the group's workers are gone."""
    waiting: bool
    """Whether no worker of the group has started yet."""


class Orders:
    """A Ray actor that hands out orders one by one, numbered from 0, the same to every worker.

    An order is finished once; a worker that starts anew goes on with the first that is not. After
    `close` there are no more orders, so that all workers agree on the last one.
    """

    def __init__(self) -> None:
        self._order: Order | None = None
        self._given = self._finished = 0
        self._metrics: list[dict[str, Any]] = []
        self._started = self._closed = self._ended = False
        self._changed = asyncio.Event()

    async def give(self, order: Order) -> None:
        """Hand the next order to the workers; the one before must be finished."""
        self._order, self._given = order, self._given + 1
        self._metrics.clear()
        self._tell()

    async def news(self, seconds: float) -> News:
        """Wait until there is something to tell of the latest order, or so many seconds."""
        told = self._until(lambda: bool(self._metrics) or self._is_finished() or self._ended)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told, seconds)
        metrics = tuple(self._metrics)
        self._metrics.clear()
        return News(metrics, self._is_finished(), self._ended, not self._started)

    async def close(self) -> None:
        """Let the workers end as soon as they have nothing to train."""
        self._closed = True
        self._tell()

    async def end(self) -> None:
        """Note that the workers are gone."""
        self._ended = True
        self._tell()

    async def first(self) -> int:
        """The number of the order that a worker which starts now has to begin with."""
        self._started = True
        return self._finished

    async def order(self, number: int) -> Order | None:
        """Wait for the order with this number; None where there will be none."""
        await self._until(lambda: self._given > number or self._closed)
        return self._order if self._given > number else None

    async def report(self, metrics: dict[str, Any]) -> None:
        """Pass metrics on to the trial."""
        self._metrics.append(metrics)
        self._tell()

    async def finish(self, number: int) -> None:
        """Note that all workers have trained the order with this number.

        They have to wait for each other first: one that starts later would pass over the order.
        """
        self._finished = max(self._finished, number + 1)
        self._tell()

    def _is_finished(self) -> bool:
        return self._finished == self._given

    async def _until(self, is_true: Callable[[], bool]) -> None:
        while not is_true():
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
