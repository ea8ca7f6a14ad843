"""A tree grows by a recipe: the nodes that the recipe adds to those that are there.

Nodes that are there keep their ends, because some are trained already and others are being
trained. So a recipe goes on from the deepest end of a node that lies on its chain, and what it
shares with a part of a node it trains itself. That part is small where recipes part at the begin of
a stage or at a rung, at which nodes end anyway. A trial begins from the deepest state on its chain,
so that states which are stored inside a node are used nevertheless.

Which nodes a recipe adds depends on the tree and on the order of the recipes alone. The same
proposals in the same order make the same tree in every process and every command.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from raycl.plan.state_index import StateIndex
from raycl.plan.training import Training
from raycl.plan.tree import NO_CUTS, Node, Tree, ends_after, node_between, with_ends


@dataclass(frozen=True)
class Grafted:
    """A tree that has grown, and what is new in it."""

    tree: Tree
    added: tuple[Node, ...]
    """Nodes that were not there before, parents before children."""


def graft(
    tree: Tree, recipes: Mapping[str, Training], cuts: Mapping[str, Collection[int]] = NO_CUTS
) -> Grafted:
    """The tree with further recipes, one after another; each `Training` covers its whole chain.

    A node ends at each end of a stage and at the `cuts` of its recipe, which are given by label. A
    recipe that is entirely there adds no node; its label is noted in the nodes along which it runs.
    """
    growing = _Growing(tree)
    for label, training in recipes.items():
        growing.add(label, training, cuts.get(label, ()))
    return growing.grafted()


class _Growing:
    """A tree to which recipes are added."""

    def __init__(self, tree: Tree) -> None:
        self._nodes = {node.name: node for node in tree.nodes}
        self._before = frozenset(self._nodes)
        self._recipes = dict(tree.recipes)

    def add(self, label: str, training: Training, cuts: Collection[int]) -> None:
        """Note the recipe in the nodes that it shares, and add those that it needs besides."""
        self._recipes[label] = training
        begin, above = self._deepest(training)
        self._note(label, above)
        for start, stop in pairwise((begin, *ends_after(training, begin, cuts))):
            node = node_between({label: training}, [label], start, stop, above)
            self._nodes[node.name], above = node, node.name

    def _deepest(self, training: Training) -> tuple[int, str | None]:
        """The steps up to the deepest end of a node on the chain, and the node's name."""
        found = StateIndex(self._nodes).along(training.chain, training.chain.steps)
        return next(found, (0, None))

    def _note(self, label: str, name: str | None) -> None:
        while name is not None:
            node = self._nodes[name]
            self._nodes[name] = replace(node, recipes=(*node.recipes, label))
            name = node.parent

    def grafted(self) -> Grafted:
        nodes = tuple(with_ends(tuple(self._nodes.values()), self._recipes))
        added = tuple(node for node in nodes if node.name not in self._before)
        return Grafted(Tree(nodes, self._recipes), added)
