"""Recipes as a tree of nodes: each run of steps that recipes share is trained once.

A node ends where recipes part and where a stage ends, because the state there is needed: to branch
from it, to compare it with others, or to keep it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from raycl.plan.holding import Holding
from raycl.plan.training import Training

NO_CUTS: Mapping[str, Collection[int]] = MappingProxyType({})


@dataclass(frozen=True)
class Node:
    """A run of steps between two states, trained once for all recipes that share it."""

    name: str
    """Name of the node's end state, which is also the node's own name."""
    parent: str | None
    """Name of the parent node; None where training begins."""
    training: Training
    recipes: tuple[str, ...]
    """Labels of the recipes that share these steps."""

    @property
    def steps(self) -> int:
        """Number of its training steps."""
        return self.training.stop - self.training.start


@dataclass(frozen=True)
class Tree:
    """Nodes, parents before children, and each recipe's whole training by label."""

    nodes: tuple[Node, ...]
    recipes: Mapping[str, Training]

    @property
    def steps(self) -> int:
        """Number of steps that the whole tree trains, each of them once."""
        return sum(node.steps for node in self.nodes)

    @property
    def steps_alone(self) -> int:
        """Number of steps that would be trained if every recipe ran by itself."""
        return sum(training.chain.steps for training in self.recipes.values())

    @property
    def carried(self) -> set[str | None]:
        """Nodes from whose end another one goes on with the optimizer."""
        return _carried(self.nodes)

    def path(self, label: str) -> tuple[Node, ...]:
        """The nodes of a recipe, from its first step to its last."""
        return tuple(node for node in self.nodes if label in node.recipes)


def _carried(nodes: Iterable[Node]) -> set[str | None]:
    return {
        node.parent
        for node in nodes
        if not node.training.chain.resets_optimizer(node.training.start)
    }


def build_tree(
    recipes: Mapping[str, Training],
    least_shared: int = 1,
    cuts: Mapping[str, Collection[int]] = NO_CUTS,
) -> Tree:
    """The tree of recipes by label; each `Training` covers its whole chain.

    Recipes that share fewer than `least_shared` steps after a state do not share them: each trains
    them itself, because saving a state to branch from costs more than training them again. `cuts`
    are further steps of a recipe, by its label, after which a node ends.
    """
    nodes: list[Node] = []
    roots: dict[str, list[str]] = {}
    for label, training in recipes.items():
        roots.setdefault(training.chain.name(0), []).append(label)
    for labels in roots.values():
        _grow(nodes, recipes, labels, least_shared, cuts)
    return Tree(tuple(with_ends(nodes, recipes)), dict(recipes))


def with_ends(nodes: Sequence[Node], recipes: Mapping[str, Training]) -> Iterator[Node]:
    """The nodes with what their end states are written with.

    The optimizer is left out where all recipes of the node want that, and no node of the tree goes
    on with it.
    """
    carried = _carried(nodes)
    for node in nodes:
        light = all(recipes[label].execution.keep == "weights" for label in node.recipes)
        end: Holding = "weights" if light and node.name not in carried else "all"
        own = node.training
        yield node if own.end == end else replace(node, training=replace(own, end=end))


def _grow(
    nodes: list[Node],
    recipes: Mapping[str, Training],
    labels: Sequence[str],
    least_shared: int,
    cuts: Mapping[str, Collection[int]],
) -> None:
    """Add the nodes below an initial state that the recipes `labels` share."""
    # Each entry: recipes that share a state, its number of steps, and the node that ends there.
    # A queue, so that parents come before children.
    pending: deque[tuple[list[str], int, str | None]] = deque([(list(labels), 0, None)])
    while pending:
        members, begin, above = pending.popleft()
        alive = [label for label in members if recipes[label].chain.steps > begin]
        for group in _groups(recipes, alive, begin, least_shared):
            stop = _common_stop(recipes, group, begin, cuts)
            node = node_between(recipes, group, begin, stop, above)
            nodes.append(node)
            pending.append((group, stop, node.name))


def _groups(
    recipes: Mapping[str, Training], labels: Sequence[str], begin: int, least_shared: int
) -> list[list[str]]:
    """Groups of recipes that share `least_shared` steps after a state, or the rest of its stage.

    Recipes share steps where the states after these steps have one name.
    """
    groups: dict[str, list[str]] = {}
    for label in labels:
        chain = recipes[label].chain
        # Never across the end of a stage, since a node ends there in any case.
        end = min(stop for stop in chain.starts[1:] if stop > begin)
        groups.setdefault(chain.name(min(begin + least_shared, end)), []).append(label)
    return list(groups.values())


def _common_stop(
    recipes: Mapping[str, Training],
    labels: Sequence[str],
    begin: int,
    cuts: Mapping[str, Collection[int]],
) -> int:
    """The first step after `begin` at which the recipes part, or one of them has to end a node."""
    first = recipes[labels[0]].chain
    stop = min(
        end for label in labels for end in ends_after(recipes[label], begin, cuts.get(label, ()))
    )
    return min(first.divergence(recipes[label].chain, stop) for label in labels)


def ends_after(training: Training, begin: int, cuts: Collection[int] = ()) -> list[int]:
    """The steps after `begin` at which nodes of a recipe end, sorted: its stages and its cuts."""
    chain = training.chain
    return sorted({end for end in (*chain.starts[1:], *cuts) if begin < end <= chain.steps})


def node_between(
    recipes: Mapping[str, Training], labels: Sequence[str], start: int, stop: int, above: str | None
) -> Node:
    """The node of steps [start, stop), which lie in one stage, of the recipes `labels`."""
    training = recipes[labels[0]]
    stage = training.chain.stages[training.chain.stage_index(start)]
    stages = [
        recipes[label].chain.stages[recipes[label].chain.stage_index(start)] for label in labels
    ]
    # Recipes may ask for different numbers of workers on the steps that they share: a number of
    # workers is no part of a state's name. The largest one serves them all.
    workers = max(other.workers for other in stages)
    fewest = max(other.fewest_workers or other.workers for other in stages)
    # Each recipe that shares the node needs its own corpora validated at the node's end.
    corpora = {name: folder for label in labels for name, folder in recipes[label].corpora.items()}
    own = replace(
        training,
        start=start,
        stop=stop,
        stage=stage.name,
        workers=workers,
        fewest_workers=fewest,
        corpora=corpora,
    )
    return Node(training.chain.name(stop), above, own, tuple(labels))
