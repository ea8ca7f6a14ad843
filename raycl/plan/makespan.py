"""How long a tree takes on a number of workers: a simulated clock, and the bounds below it.

Each node starts as `raycl.sweep.frontier` starts it: in the order of `order_of_work`, when its
parent is done and its workers are free, and none overtakes one that waits for workers. That is
list scheduling. On workers of one kind, with nodes of one worker each, it takes at most twice the
larger bound (Graham 1969, "Bounds on multiprocessing timing anomalies").
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Mapping, Sequence

from raycl.plan.order_of_work import order_of_work
from raycl.plan.tree import Node


def critical_path(nodes: Sequence[Node], seconds: Mapping[str, float]) -> float:
    """Seconds of the longest path from a root to a leaf; no number of workers is faster.

    `nodes` come parents before children, and `seconds` has what is left of each.
    """
    ends: dict[str | None, float] = {None: 0.0}
    for node in nodes:
        ends[node.name] = ends[node.parent] + seconds[node.name]
    return max(ends.values())


def least_makespan(nodes: Sequence[Node], seconds: Mapping[str, float], workers: int) -> float:
    """Seconds that no order can beat: the critical path, or all work divided by the workers."""
    work = sum(seconds[node.name] * min(node.training.workers, workers) for node in nodes)
    return max(critical_path(nodes, seconds), work / workers)


def makespan(nodes: Sequence[Node], seconds: Mapping[str, float], workers: int) -> float:
    """Seconds until the last node ends on so many workers, in the order in which sweeps train.

    A node that needs more workers than there are runs alone, and is counted as if they were there.
    Nodes of no seconds are finished before the clock starts.
    """
    order = order_of_work(nodes, {node.name for node in nodes if not seconds[node.name]})
    children: dict[str | None, list[Node]] = {}
    for node in nodes:
        children.setdefault(node.parent, []).append(node)
    needs = {node.name: node.training.workers for node in nodes}
    ready: list[str] = []

    def release(parent: str | None) -> None:
        for child in children.get(parent, ()):
            if seconds[child.name]:
                insort(ready, child.name, key=order.__getitem__)
            else:
                release(child.name)

    release(None)
    clock, free = 0.0, workers
    running: list[tuple[float, str]] = []
    while ready or running:
        while ready and (needs[ready[0]] <= free or not running):
            name = ready.pop(0)
            free -= needs[name]
            heapq.heappush(running, (clock + seconds[name], name))
        clock, ended = heapq.heappop(running)
        free += needs[ended]
        release(ended)
    return clock
