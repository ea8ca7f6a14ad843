"""The trainings of a sweep's nodes, from which a trial opens its own and no other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import ray

from raycl.plan.training import Training
from raycl.plan.tree import Node


class NodeTrainings:
    """All trainings as one array, which a trial reads in place in the object store.

    A mapping of objects would be copied and unpickled as a whole by every trial, which for 10,000
    nodes takes longer than to start a trial. Each training is pickled as Ray pickles what it sends.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        pickle: Any = ray.cloudpickle  # has no types
        parts = [pickle.dumps(node.training) for node in nodes]
        self._bytes = np.frombuffer(b"".join(parts), dtype=np.uint8)
        self._ends = np.cumsum([0, *map(len, parts)])

    def __getitem__(self, place: int) -> Training:
        """The training of the node at this place of the sequence."""
        training: Training = ray.cloudpickle.loads(
            self._bytes[self._ends[place] : self._ends[place + 1]].tobytes()
        )
        return training
