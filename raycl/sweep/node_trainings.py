"""The trainings of a sweep's nodes, packed so that a trial unpickles its own alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import ray

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

    def __getitem__(self, place: int) -> Training:
        """The training of the node at this place among the nodes given to the constructor."""
        training: Training = ray.cloudpickle.loads(
            self._bytes[self._ends[place] : self._ends[place + 1]].tobytes()
        )
        return training
