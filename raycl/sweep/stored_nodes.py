"""Nodes that are added to a running sweep, as far as storage holds them already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from raycl.plan.holding import Holding, needed_to_go_on
from raycl.plan.tree import Node
from raycl.states.reduced import held
from raycl.storage import Storage


def with_what_is_stored(
    nodes: Sequence[Node], storage: Storage
) -> tuple[tuple[Node, ...], frozenset[str]]:
    """The nodes of one recipe with what their ends must hold, and those that hold it in storage.

    One request or two a node.
    """
    made: list[Node] = []
    finished: set[str] = set()
    least: dict[str | None, Holding] = {}
    for node in reversed(nodes):
        needed = least.get(node.name, "results")
        made.insert(0, replace(node, training=replace(node.training, least=needed)))
        if held(storage, node.name, needed):
            finished.add(node.name)
        else:
            resets = node.training.chain.resets_optimizer(node.training.start)
            least[node.parent] = needed_to_go_on(resets)
    return tuple(made), frozenset(finished)
