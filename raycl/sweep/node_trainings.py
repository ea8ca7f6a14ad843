"""The trainings of a sweep's nodes, packed so that a trial unpickles its own alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
import ray

from raycl.cluster.ray_internals import forget_bytes, keep_bytes, kept_bytes
from raycl.plan.training import Training
from raycl.plan.tree import Node


class NodeTrainings:
    """All trainings in one array of bytes, which a trial reads in place in Ray's object store.

    Every trial would copy and unpickle a mapping of objects as a whole, which for 10,000 nodes
    takes longer than to start a trial. Each training is pickled by Ray's own pickler.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        pickle: Any = ray.cloudpickle  # Ray gives it no types
        parts = [pickle.dumps(node.training) for node in nodes]
        self._bytes = np.frombuffer(b"".join(parts), dtype=np.uint8)
        self._ends = np.cumsum([0, *map(len, parts)])
        self.added = AddedTrainings(uuid.uuid4().hex)

    def of(self, place: int, name: str) -> Training:
        """The training of the node at this place in the tree, where it was added by its name."""
        if place >= len(self._ends) - 1:
            return self.added[name]
        return self[place]

    def __getitem__(self, place: int) -> Training:
        """The training of the node at this place among the nodes given to the constructor."""
        training: Training = ray.cloudpickle.loads(
            self._bytes[self._ends[place] : self._ends[place + 1]].tobytes()
        )
        return training


class AddedTrainings:
    """The trainings of nodes that were added later, one by one, at the head of the cluster.

    The array of all others was sent before they were known, and an actor to ask for them would be a
    process more in every sweep. A training has a few kilobytes, and a trial reads it once.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._names: list[str] = []

    def add(self, nodes: Iterable[Node]) -> None:
        """Have the trainings of nodes at hand for all trials of this run."""
        pickle: Any = ray.cloudpickle
        for node in nodes:
            keep_bytes(self._key(node.name), pickle.dumps(node.training))
            self._names.append(node.name)

    def __getitem__(self, name: str) -> Training:
        training: Training = ray.cloudpickle.loads(kept_bytes(self._key(name)))
        return training

    def forget(self) -> None:
        """Remove what was added."""
        for name in self._names:
            forget_bytes(self._key(name))
        self._names.clear()

    def _key(self, name: str) -> str:
        return f"raycl-{self._run}-{name}"
