"""Growing sweeps without Ray: a stand-in for the driver, and for what proposes recipes."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

from benchmarks.made_up_sweeps import write_state
from raycl.cluster.options import ClusterOptions
from raycl.plan.training import Training
from raycl.plan.tree import Node, Tree
from raycl.recipe.definition import Definition
from raycl.recipe.proposals import Proposal, add_proposal, read_proposals
from raycl.results.outcome import RecipeOutcome
from raycl.storage import Storage
from raycl.sweep.driver import SweepOutcome, finished_nodes
from raycl.sweep.frontier import Frontier
from raycl.sweep.growth import GrowingTree
from tests.helpers.pipeline import Cluster

FIELD = "new.schedule.max_lr"
SEARCH = {"sampler": "random", "trials": 9}
STOPPING = {"kind": "asha", "stage": "new", "first": "2 steps", "factor": 3, "metric": "average"}


class ListedProposals:
    """Proposes given recipes, one after another; what storage has is not proposed again."""

    def __init__(
        self, definition: Definition, storage: Storage, listed: Sequence[Mapping[str, Any]]
    ) -> None:
        self._sweep, self._storage, self._listed = definition.recipe.name, storage, listed
        self.told: dict[int, RecipeOutcome] = {}
        self.rungs: list[tuple[int, int, float]] = []

    def propose(self) -> Proposal | None:
        done = len(read_proposals(self._storage, self._sweep))
        if done >= len(self._listed):
            return None
        return add_proposal(self._storage, self._sweep, self._listed[done], "list")

    def tell(self, number: int, outcome: RecipeOutcome) -> None:
        assert number not in self.told
        self.told[number] = outcome

    def reached(self, number: int, step: int, value: float) -> None:
        self.rungs.append((number, step, value))

    def learn(self, states: Collection[str]) -> None:
        assert states


def rates(values: Sequence[float]) -> list[dict[str, Any]]:
    """Proposals that differ in a rate."""
    return [{FIELD: value} for value in values]


def rate_of(training: Training) -> float:
    """The highest rate of the stage to which a node belongs."""
    return float(training.chain.stages[training.chain.stage_index(training.start)].schedule.peak)


class GrowingCluster(Cluster):
    """Trains nodes in any order, on `slots` workers, by writing states with a loss."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slots: int = 2, seed: int = 0) -> None:
        super().__init__(monkeypatch)
        # Its figures take most of the time.
        monkeypatch.setattr("raycl.sweep.results.write_report", lambda *_: "report.html")
        self.slots, self.draw = slots, random.Random(seed)
        self.trained: list[Node] = []
        self.fails_at: Callable[[Node], bool] = lambda _: False
        self.most_at_once = 0
        self.interrupt_after: int | None = None
        """Nodes after which the sweep is interrupted."""

    def run_sweep(
        self, tree: Tree, storage: Storage, options: ClusterOptions, **arguments: Any
    ) -> SweepOutcome:
        assert options is self.options[-1]
        growth = arguments["growth"]
        done = finished_nodes(tree, storage, arguments["existing"])
        frontier = Frontier(tree.nodes, done, slots=lambda: self.slots)
        growing = GrowingTree(frontier, growth)
        running: list[Node] = []
        while True:
            while (node := growing.next()) is not None:
                running.append(node)
            self.most_at_once = max(self.most_at_once, len(running))
            if not running and growing.awaits:
                continue  # what is measured comes to its end
            if not running:
                break
            node = running.pop(self.draw.randrange(len(running)))
            if self.fails_at(node):
                frontier.fail(node.name, "it broke")
                continue
            write_state(node.training, storage, loss=3 + rate_of(node.training))
            frontier.complete(node.name)
            self.trained.append(node)
            if self.interrupt_after is not None and len(self.trained) >= self.interrupt_after:
                raise KeyboardInterrupt
        growing.tell()
        return SweepOutcome(
            tuple(frontier.finished),
            dict(frontier.failed),
            tuple(frontier.skipped),
            frontier.existing,
            (),
            tuple(frontier.waiting),
        )
