"""Plays what decides in a sweep, its frontier, against a clock of its own.

So an estimate of a sweep's duration and the sweep itself follow one rule.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from raycl.plan.tree import Node


class Dispatch(Protocol):
    """What decides which node starts, such as a `Frontier`."""

    @property
    def running(self) -> Mapping[str, int]:
        """The number of workers of each running node."""

    def next(self) -> Node | None:
        """The node to start now, which counts as running from here on; None: not yet."""

    def complete(self, name: str) -> None:
        """Book the end of a node; its children may start."""


class Span(NamedTuple):
    """When a node was trained, and by how many workers."""

    name: str
    start: float
    end: float
    workers: int


def played(dispatch: Dispatch, seconds: Callable[[Node, int], float]) -> list[Span]:
    """All nodes in the order of their ends, when each starts as soon as it is handed out.

    `seconds` is how long a node takes on so many workers.
    """
    ends: list[tuple[float, int, Span]] = []
    spans: list[Span] = []
    now = 0.0
    while True:
        while (node := dispatch.next()) is not None:
            workers = dispatch.running[node.name]
            end = now + seconds(node, workers)
            heapq.heappush(ends, (end, len(ends) + len(spans), Span(node.name, now, end, workers)))
        if not ends:
            return spans
        now, _, span = heapq.heappop(ends)
        spans.append(span)
        dispatch.complete(span.name)


def last_end(spans: Sequence[Span]) -> float:
    """When the last node has ended."""
    return max((span.end for span in spans), default=0.0)
