"""How long a tree takes on so many slots: by a played clock, and at least.

`played` runs what decides in a sweep, its frontier, against a clock of its own, so that an estimate
of a sweep's duration and the sweep itself follow one rule.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

from raycl.plan.tree import Node

_SHARES = (2, 3, 4, 5, 6, 8)
"""Divisors of the slots that `least_makespan` looks at: beyond them little is lost."""


class Dispatch(Protocol):
    """What decides which node starts, such as a `Frontier`."""

    running: dict[str, int]
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


def makespan(spans: Sequence[Span]) -> float:
    """When the last node has ended."""
    return max((span.end for span in spans), default=0.0)


def simple_bound(nodes: Sequence[Node], seconds: Mapping[str, float], slots: float) -> float:
    """The work divided by the slots, or the longest path: no order of work takes less.

    `seconds` is how long each node takes on all of its workers.
    """
    work = sum(seconds[node.name] * node.training.workers for node in nodes)
    before, after = _around(nodes, seconds)
    return max([work / slots, *(before[n.name] + after[n.name] for n in nodes)], default=0.0)


def least_makespan(nodes: Sequence[Node], seconds: Mapping[str, float], slots: int) -> float:
    """A larger lower bound, which knows that a node needs its workers at once, and paths.

    - What cannot begin before t, because of the path above it, still has to be done after t; the
      same backwards, for what has to be followed by a path that long.
    - Nodes that need more than half of the slots run one after the other. In general, with
      f_k(x) = ⌊(k + 1) x⌋ / k for a share x of the slots, and x where (k + 1) x is whole, no set of
      nodes that fit side by side has shares f_k that sum to more than 1 (a dual feasible function:
      Fekete and Schepers, Mathematical Programming 91, 2001).

    Nodes larger than all slots count as large as these.
    """
    before, after = _around(nodes, seconds)
    longest = max((before[n.name] + after[n.name] for n in nodes), default=0.0)
    bounds = [longest]
    for share in _dual_feasible(slots):
        work = {node.name: share(node) * seconds[node.name] for node in nodes}
        ends = {name: after[name] - seconds[name] for name in work}
        bounds += [_beyond(before, work), _beyond(ends, work)]
    return max(bounds)


def _around(
    nodes: Sequence[Node], seconds: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of the path above each node, and of the longest one from its start on."""
    before: dict[str, float] = {}
    for node in nodes:
        above = node.parent
        before[node.name] = before[above] + seconds[above] if above in before else 0.0
    below: dict[str | None, float] = {}
    after = {}
    for node in reversed(nodes):
        after[node.name] = seconds[node.name] + below.get(node.name, 0.0)
        below[node.parent] = max(below.get(node.parent, 0.0), after[node.name])
    return before, after


def _dual_feasible(slots: int) -> Iterator[Callable[[Node], float]]:
    """Shares of the slots that a node counts as; those side by side sum to at most 1."""

    def fitted(node: Node) -> int:
        return min(node.training.workers, slots)

    yield lambda node: fitted(node) / slots
    for k in (share - 1 for share in _SHARES):

        def rounded(node: Node, k: int = k) -> float:
            times, rest = divmod((k + 1) * fitted(node), slots)
            return times / k if rest else fitted(node) / slots

        yield rounded


def _beyond(path: Mapping[str, float], work: Mapping[str, float]) -> float:
    """The largest t + the work of what has a path of at least t beside it."""
    largest_first = sorted(work, key=lambda name: -path[name])
    sums = accumulate(work[name] for name in largest_first)
    return max((path[n] + total for n, total in zip(largest_first, sums, strict=True)), default=0.0)
