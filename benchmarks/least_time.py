"""The least time that a small tree can take on so many slots, by trying all orders of its nodes.

Each order is scheduled serially: every node as early as its parent and the slots allow. One of
these schedules is optimal (Kolisch, European Journal of Operational Research 90, 1996).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from raycl.plan.bounds import better_bound
from raycl.plan.played import Span, last_end
from raycl.plan.tree import Node


def least_time(nodes: Sequence[Node], seconds: Mapping[str, float], slots: int) -> float:
    """The least makespan; about as many tries as the nodes have orders, so for ten at most."""
    bound = better_bound(nodes, seconds, slots)
    best = sum(seconds[node.name] for node in nodes)
    pending: list[tuple[tuple[Span, ...], tuple[Node, ...]]] = [((), tuple(nodes))]
    while pending and best > bound * (1 + 1e-12):
        placed, left = pending.pop()
        if not left:
            best = min(best, last_end(placed))
            continue
        ends = {span.name: span.end for span in placed}
        for node in reversed(list(_different(left, ends, seconds))):
            start = _earliest(node, ends.get(node.parent or "", 0.0), seconds, slots, placed)
            span = Span(node.name, start, start + seconds[node.name], node.training.workers)
            if span.end < best:
                rest = tuple(other for other in left if other is not node)
                pending.append(((*placed, span), rest))
    return best


def _different(
    left: Sequence[Node], ends: Mapping[str, float], seconds: Mapping[str, float]
) -> Iterator[Node]:
    """Those that could come next, and of leaves that are alike only the first."""
    parents = {node.parent for node in left}
    seen = set()
    for node in left:
        alike = node.parent, node.training.workers, seconds[node.name]
        if node.parent is not None and node.parent not in ends:
            continue
        if node.name not in parents:
            if alike in seen:
                continue
            seen.add(alike)
        yield node


def _earliest(
    node: Node,
    ready: float,
    seconds: Mapping[str, float],
    slots: int,
    placed: Sequence[Span],
) -> float:
    """When the node can start at the earliest, not before `ready`."""
    length, room = seconds[node.name], slots - node.training.workers
    for start in sorted({ready, *(span.end for span in placed if span.end > ready)}):
        beside = [s for s in placed if s.start < start + length and s.end > start]
        moments = [start, *(s.start for s in beside if s.start > start)]
        if all(
            sum(s.workers for s in beside if s.start <= moment < s.end) <= room
            for moment in moments
        ):
            return start
    raise ValueError(f"{node.name} needs {node.training.workers} of {slots} slots")
