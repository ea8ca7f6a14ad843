"""Orders of work to compare with: rules without reservations, and a grid of whole chains."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from raycl.plan.played import Dispatch
from raycl.plan.tree import Node, Tree
from raycl.sweep.frontier import Frontier

Rule = Callable[[Sequence[Node], Mapping[str, float], int], Dispatch]
"""What hands out the nodes of a tree, by what each takes and the slots."""
Key = Callable[[Node, int], Any]
"""A node's place in the order, by the node and its number in the tree: the lowest first."""


class InLine:
    """Nodes in the order of a key; when the first of those ready does not fit, all others wait."""

    def __init__(self, nodes: Sequence[Node], slots: int, key: Key) -> None:
        self._slots = slots
        self._nodes = {node.name: node for node in nodes}
        self._keys = {node.name: (key(node, place), place) for place, node in enumerate(nodes)}
        self._ready: list[str] = []
        self.running: dict[str, int] = {}
        self._make_ready(None)

    def _make_ready(self, parent: str | None) -> None:
        for node in self._nodes.values():
            if node.parent == parent:
                insort(self._ready, node.name, key=self._keys.__getitem__)

    def next(self) -> Node | None:
        """The first node in line, if it fits."""
        if not self._ready:
            return None
        node = self._nodes[self._ready[0]]
        free = self._slots - sum(self.running.values())
        if self.running and node.training.workers > free:
            return None
        self.running[self._ready.pop(0)] = node.training.workers
        return node

    def complete(self, name: str) -> None:
        """Let the node's children stand in line."""
        del self.running[name]
        self._make_ready(name)


def longest_path(nodes: Sequence[Node], seconds: Mapping[str, float], slots: int) -> Dispatch:
    """What raycl does: its frontier."""
    return Frontier(nodes, slots=lambda: slots, time=lambda node: seconds[node.name])


def before(nodes: Sequence[Node], seconds: Mapping[str, float], slots: int) -> Dispatch:  # noqa: ARG001
    """What raycl did: nodes of several workers first, then the most remaining steps."""
    remaining = dict(_remaining_steps(nodes))
    return InLine(nodes, slots, lambda n, _: (n.training.workers == 1, -remaining[n.name]))


def _remaining_steps(nodes: Sequence[Node]) -> Iterator[tuple[str, int]]:
    below: dict[str | None, int] = {}
    for node in reversed(nodes):
        total = node.steps + below.get(node.name, 0)
        below[node.parent] = max(below.get(node.parent, 0), total)
        yield node.name, total


def breadth_first(nodes: Sequence[Node], seconds: Mapping[str, float], slots: int) -> Dispatch:  # noqa: ARG001
    """Nodes as they stand in the tree, level by level."""
    depth: dict[str | None, int] = {None: 0}
    for node in nodes:
        depth[node.name] = depth[node.parent] + 1
    return InLine(nodes, slots, lambda node, _: depth[node.name])


def shortest_first(nodes: Sequence[Node], seconds: Mapping[str, float], slots: int) -> Dispatch:
    """Whichever node ends soonest."""
    return InLine(nodes, slots, lambda node, _: seconds[node.name])


def whole_chains(tree: Tree, seconds: Mapping[str, float]) -> tuple[list[Node], dict[str, float]]:
    """What a grid of Tune trains: a trial for each recipe, its whole chain, by itself.

    A trial holds as many workers as its widest stage from its beginning to its end.
    """
    trials, takes = [], {}
    for label in tree.recipes:
        path = tree.path(label)
        workers = max(node.training.workers for node in path)
        whole = replace(
            path[-1].training,
            start=0,
            stop=sum(node.steps for node in path),
            workers=workers,
            fewest_workers=None,
        )
        trials.append(Node(label, None, whole, (label,)))
        takes[label] = sum(seconds[n.name] * n.training.workers / workers for n in path)
    return trials, takes


def first_come(nodes: Sequence[Node], seconds: Mapping[str, float], slots: int) -> Dispatch:  # noqa: ARG001
    """Trials in the order in which a grid lists them."""
    return InLine(nodes, slots, lambda _, place: place)


RULES: dict[str, Rule] = {
    "longest path": longest_path,
    "before": before,
    "breadth first": breadth_first,
    "shortest first": shortest_first,
}
