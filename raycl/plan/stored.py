"""Which states of a tree storage holds, and from which of them training can go on.

A node is finished where its end state is stored and holds what the nodes after it that are left to
train need. A node whose end holds too little is trained again, from the deepest state before its
end that serves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from raycl.plan.holding import Holding, holds_enough, most_of, needed_to_go_on
from raycl.plan.state_index import StateIndex
from raycl.plan.tree import Node, Tree


class StoredTree:
    """A tree, the names of the states that storage holds, and what some of these hold.

    States that `holdings` does not name hold all of their training.
    """

    def __init__(
        self, tree: Tree, names: Collection[str], holdings: Mapping[str, Holding] | None = None
    ) -> None:
        self._tree, self._names, self._holdings = tree, names, holdings or {}
        self._index = StateIndex(names)

    @cached_property
    def least(self) -> dict[str, Holding]:
        """The least that the end state of a node must hold, where it is more than its history."""
        least: dict[str, Holding] = {}
        if not self._holdings:
            return least  # every state serves for everything
        for node in reversed(self._tree.nodes):  # children come after their parents
            enough = self._serves(node, least.get(node.name, "results"))
            if node.parent is None or enough or self._inside(node):
                continue
            training = node.training
            needed = needed_to_go_on(training.chain.resets_optimizer(training.start))
            least[node.parent] = most_of(least.get(node.parent, "results"), needed)
        return least

    @cached_property
    def finished(self) -> frozenset[str]:
        """The nodes that are not trained."""
        return frozenset(
            node.name
            for node in self._tree.nodes
            if self._serves(node, self.least.get(node.name, "results"))
        )

    def done(self, node: Node) -> int:
        """How many of the node's first steps are not trained.

        The state after them may be another sweep's: states are named by their content.
        """
        return node.steps if node.name in self.finished else self._inside(node)

    def too_light(self, node: Node) -> tuple[int, Holding] | None:
        """The deepest state of a node that is left which holds too little: its steps, what it has.

        None where nothing is trained again for that reason.
        """
        training, done = node.training, self.done(node)
        if not self._holdings or done == node.steps:
            return None
        along = self._index.along(training.chain, training.stop, above=training.start + done)
        found = next(along, None)
        return (found[0], self._holdings.get(found[1], "all")) if found else None

    def _serves(self, node: Node, needed: Holding) -> bool:
        held = self._holdings.get(node.name, "all")
        return node.name in self._names and holds_enough(held, needed)

    def _inside(self, node: Node) -> int:
        """The steps of the node before its deepest state from which training goes on."""
        training = node.training
        along = self._index.along(training.chain, training.stop - 1, above=training.start)
        whole = (step for step, name in along if self._holdings.get(name, "all") == "all")
        return next(whole, training.start) - training.start


def states_gone_on_from(tree: Tree, names: Collection[str]) -> list[str]:
    """Those of the states from which a node of the tree may go on: all but the ends of leaves."""
    index = StateIndex(names)
    leaves = {node.name for node in tree.nodes} - {node.parent for node in tree.nodes}
    found = (
        name
        for node in tree.nodes
        for _, name in index.along(
            node.training.chain, node.training.stop - (node.name in leaves), node.training.start
        )
    )
    return list(dict.fromkeys(found)) if names else []
