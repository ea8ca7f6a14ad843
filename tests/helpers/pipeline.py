"""The pipeline of a sweep without Ray: a stand-in for the cluster and the driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.made_up_sweeps import write_state
from raycl.cluster.capacity import Capacity
from raycl.cluster.options import ClusterOptions
from raycl.plan.tree import Tree
from raycl.storage import Storage
from raycl.sweep.driver import SweepOutcome
from tests.helpers.fakes import make_corpus


def prepared_storage(folder: Path) -> Storage:
    """A local storage with the corpora `old` and `new`."""
    storage = Storage(folder)
    for name in ("old", "new"):
        make_corpus(storage, name)
    return storage


class Cluster:
    """Stands in for Ray and the driver: notes what they are asked for, and trains by writing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.options: list[ClusterOptions] = []
        self.existing: list[set[str]] = []
        self.trees: list[Tree] = []
        self.fails: set[str] = set()
        """Stages whose nodes fail."""
        self.capacity: Capacity | None = None
        """The machines that the cluster can have."""
        monkeypatch.setattr("raycl.cluster.connect.cluster", self.cluster)
        monkeypatch.setattr("raycl.sweep.pipeline.cluster_capacity", lambda _: self.capacity)
        monkeypatch.setattr("raycl.sweep.driver.run_sweep", self.run_sweep)

    @contextmanager
    def cluster(self, options: ClusterOptions) -> Iterator[None]:
        self.options.append(options)
        yield

    def run_sweep(
        self, tree: Tree, storage: Storage, options: ClusterOptions, **arguments: Any
    ) -> SweepOutcome:
        assert options is self.options[-1]
        self.trees.append(tree)
        self.existing.append(set(arguments["existing"]))
        failed = {n.name: "it broke" for n in tree.nodes if n.training.stage in self.fails}
        made = [node for node in tree.nodes if node.name not in failed]
        for node in made:
            write_state(node.training, storage)
        return SweepOutcome(tuple(node.name for node in made), failed, ())
