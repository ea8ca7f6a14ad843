"""The least time that a tree can take on so many slots, whatever the order of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from raycl.plan.tree import Node

_SHARES = (2, 3, 4, 5, 6, 8)
"""Divisors of the slots that `better_bound` looks at: beyond them little is lost."""


def simple_bound(nodes: Sequence[Node], seconds: Mapping[str, float], slots: float) -> float:
    """The work divided by the slots, or the longest path: no order of work takes less.

    `seconds` is how long each node takes on all of its workers.
    """
    work = sum(seconds[node.name] * node.training.workers for node in nodes)
    before, after = _around(nodes, seconds)
    return max([work / slots, *(before[n.name] + after[n.name] for n in nodes)], default=0.0)


def better_bound(nodes: Sequence[Node], seconds: Mapping[str, float], slots: int) -> float:
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
