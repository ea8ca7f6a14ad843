"""In which order the nodes of a tree that could start are started.

The longest remaining path comes first: the node below which, itself included, most time of training
lies on one path (the critical path of a tree of tasks; Hu, Operations Research 9(6), 1961). Hippo
(Shin et al., PVLDB 15(5), 2022) schedules trees of shared training stages in this order.

A node of w workers counts as √w times as long, because few moments have room for it. Of the powers
of w that were played on random trees this one came nearest to the least time
(`python -m benchmarks.order_of_work`). Where the first node does not fit yet it gets a reservation:
see `raycl.plan.reservation`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

from raycl.plan import presets
from raycl.plan.tree import Node

_FLOPS_PER_TOKEN = 6e8
"""Of a model of which no size is known: one of 100 million parameters."""


class Urgency(NamedTuple):
    """Nodes are started in the order of these, the lowest first."""

    remaining: float
    """Minus the time from the node's start to the end of the longest path below it, times the root
    of its workers."""
    place: int
    """The node's number in the tree, from 0."""


def order_of_work(
    nodes: Sequence[Node], finished: Collection[str], times: Mapping[str, float] | None = None
) -> dict[str, Urgency]:
    """The urgency of each node, parents before children; `finished` ones are no work any more.

    `times` are the nodes' times of training on all of their workers, in any unit; by default those
    of `node_time`.
    """
    if times is None:
        times = {node.name: node_time(node) for node in nodes}
    remaining = _remaining(nodes, finished, times)
    return {
        node.name: Urgency(-remaining[node.name] * sqrt(node.training.workers), place)
        for place, node in enumerate(nodes)
    }


def node_time(node: Node) -> float:
    """The time that a node's training takes, in FLOPs per worker: they count as equally fast.

    FLOPs, because one tree may hold models of several sizes.
    """
    training = node.training
    tokens = node.steps * training.chain.tokens_per_step
    per_token = _flops_per_token(training.model.config, training.sequence_length)
    return per_token * tokens / training.workers


def _flops_per_token(config: Mapping[str, Any], length: int) -> float:
    try:
        return presets.flops_per_token(config, length)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return _FLOPS_PER_TOKEN


def _remaining(
    nodes: Sequence[Node], finished: Collection[str], times: Mapping[str, float]
) -> dict[str, float]:
    """Time from each node's start to the end of the longest path below it."""
    below: dict[str | None, float] = {}
    remaining = {}
    for node in reversed(nodes):
        own = 0.0 if node.name in finished else times[node.name]
        remaining[node.name] = own + below.get(node.name, 0.0)
        below[node.parent] = max(below.get(node.parent, 0.0), remaining[node.name])
    return remaining
