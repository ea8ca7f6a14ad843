"""In which order the nodes of a tree that could start are started."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from raycl.plan.tree import Node


class Urgency(NamedTuple):
    """Nodes are started in the order of these, the lowest first."""

    is_single: bool
    """Whether it has one worker: nodes of several come first."""
    remaining: float
    """Minus the work from the node's start to the end of the longest path below it."""
    place: int
    """The node's number in the tree, from 0."""


def order_of_work(nodes: Sequence[Node], finished: Collection[str]) -> dict[str, Urgency]:
    """The urgency of each node, parents before children; `finished` ones are no work any more."""
    remaining = _remaining_steps(nodes, finished)
    return {
        node.name: Urgency(node.training.workers == 1, -remaining[node.name], place)
        for place, node in enumerate(nodes)
    }


def _remaining_steps(nodes: Sequence[Node], finished: Collection[str]) -> dict[str, int]:
    """Steps from each node's start to the end of the longest path below it."""
    below: dict[str | None, int] = {}
    remaining = {}
    for node in reversed(nodes):
        own = 0 if node.name in finished else node.training.stop - node.training.start
        remaining[node.name] = own + below.get(node.name, 0)
        below[node.parent] = max(below.get(node.parent, 0), remaining[node.name])
    return remaining
