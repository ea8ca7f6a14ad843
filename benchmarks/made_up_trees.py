"""Made-up trees of nodes, with what each node takes, for orders of work that are only played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random

from benchmarks.made_up_sweeps import anneals_of
from raycl.plan.training import Training
from raycl.plan.tree import Node, Tree
from raycl.recipe.definition import facts_from, trainings


@dataclass(frozen=True)
class Timed:
    """A tree, and the seconds of each node on all of its workers."""

    tree: Tree
    seconds: Mapping[str, float]

    @property
    def widest(self) -> int:
        """The workers of the node that needs most."""
        return max(node.training.workers for node in self.tree.nodes)


@cache
def _training() -> Training:
    definition = anneals_of(1, 100, 10)
    return next(iter(trainings(definition, facts_from(definition, {})).values()))


def made_up_tree(
    random: Random,
    nodes: int,
    workers: Sequence[int] = (1,),
    slowness: Sequence[float] = (1.0,),
    deep: bool = False,
) -> Timed:
    """A tree of 10 to 1,000 steps a node; one node in twenty begins a recipe of its own.

    A step takes as many worker-seconds as the node's `slowness` says, one of a larger model more of
    them. The model is drawn for each root and stays below it.
    """
    links: list[tuple[int, int | None, int]] = []
    slow: list[float] = []
    seconds: dict[str, float] = {}
    for place in range(nodes):
        first = max(0, place - 6) if deep else 0
        parent = random.randrange(first, place) if place and random.random() > 0.05 else None
        links.append((place, parent, random.choice(workers)))
        slow.append(random.choice(slowness) if parent is None else slow[parent])
        seconds[f"n{place}"] = random.randint(10, 1000) * slow[place] / links[-1][2]
    steps = {f"n{place}": round(seconds[f"n{place}"] * w / slow[place]) for place, _, w in links}
    return Timed(_tree(links, steps), seconds)


def _tree(links: Sequence[tuple[int, int | None, int]], steps: Mapping[str, int]) -> Tree:
    """The tree in which every leaf is a recipe."""
    parents = {place: parent for place, parent, _ in links}
    labels: dict[int, list[str]] = {place: [] for place in parents}
    for leaf in sorted(set(parents) - set(parents.values())):
        above: int | None = leaf
        while above is not None:
            labels[above].append(f"to n{leaf}")
            above = parents[above]
    nodes = []
    for place, parent, count in links:
        own = replace(_training(), start=0, stop=steps[f"n{place}"], workers=count)
        above_name = None if parent is None else f"n{parent}"
        nodes.append(Node(f"n{place}", above_name, own, tuple(labels[place])))
    recipes = {label: _training() for node in nodes for label in node.recipes}
    return Tree(tuple(nodes), recipes)
