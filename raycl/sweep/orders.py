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
    left: bool = False
    """Whether the order counts as finished although it was left before its end."""


class Orders:
    """A Ray actor that hands out orders one by one, numbered from 0, the same to every worker.

    An order is finished once; a worker that starts anew goes on with the first that is not. After
    `close` there are no more orders, so that all workers agree on the last one.

    An order can be left before its end. Rank 0 asks `must_leave` as it trains. When the workers
    have stopped because of a yes, all of them hear so from `is_left`, and take the next order.
    """

    def __init__(self) -> None:
        self._order: Order | None = None
        self._given = self._finished = 0
        self._metrics: list[dict[str, Any]] = []
        self._started = self._closed = self._ended = False
        self._must_leave = self._told_to_leave = self._left = False
        self._changed = asyncio.Event()

    async def give(self, order: Order) -> int:
        """Hand the next order to the workers; its number. The one before must be finished."""
        self._order, self._given = order, self._given + 1
        self._must_leave = self._told_to_leave = self._left = False
        self._metrics.clear()
        self._tell()
        return self._given - 1

    async def news(self, seconds: float) -> News:
        """Wait until there is something to tell of the latest order, or so many seconds."""
        told = self._until(lambda: bool(self._metrics) or self._is_finished() or self._ended)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told, seconds)
        metrics = tuple(self._metrics)
        self._metrics.clear()
        return News(metrics, self._is_finished(), self._ended, not self._started, self._left)

    async def leave(self, number: int, wanted: bool) -> None:
        """Have the workers save and leave the order with this number, or let them go on.

        Where none has started yet, the order is withdrawn at once. Nothing happens where the order
        is finished.
        """
        if number < self._finished:
            return
        self._must_leave = wanted
        if wanted and not self._started:
            await self.finish(number, left=True)

    async def must_leave(self) -> bool:
        """Whether the workers are to leave the latest order. After a yes `is_left` stands."""
        self._told_to_leave |= self._must_leave
        return self._must_leave

    async def is_left(self) -> bool:
        """Whether workers that have stopped before the end were to leave the latest order."""
        return self._told_to_leave

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

    async def finish(self, number: int, left: bool = False) -> None:
        """Note that all workers have trained the order with this number, or have left it.

        They have to wait for each other first: one that starts later would pass over the order.
        """
        if number >= self._finished:
            self._finished, self._left = number + 1, left
        self._tell()

    def _is_finished(self) -> bool:
        return self._finished == self._given

    async def _until(self, is_true: Callable[[], bool]) -> None:
        while not is_true():
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
