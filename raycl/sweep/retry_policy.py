"""Whether a node that has failed is tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from raycl.plan.state_index import StateIndex
from raycl.plan.tree import Node
from raycl.states.lookup import complete_states
from raycl.storage import Storage


class NodeFailures:
    """Counts the failures of each node since it last got further; more than `most` are final.

    A week on machines that come and go brings many failures. None of them speaks against the node
    as long as each attempt leaves a deeper state behind.
    """

    def __init__(self, nodes: Mapping[str, Node], storage: Storage, most: int) -> None:
        self._nodes, self._storage, self._most = nodes, storage, most
        self._failures: dict[str, int] = {}
        self._reached: dict[str, int] = {}

    def try_again(self, name: str) -> bool:
        """Count a failure of the node, and say whether it is tried again. One listing of states."""
        reached = self._deepest(name)
        if reached > self._reached.get(name, -1):
            self._reached[name], self._failures[name] = reached, 0
        self._failures[name] += 1
        return self._failures[name] <= self._most

    def _deepest(self, name: str) -> int:
        training = self._nodes[name].training
        with contextlib.suppress(OSError):  # the store itself may be what failed
            states = StateIndex(complete_states(self._storage))
            return next((step for step, _ in states.along(training.chain, training.stop)), 0)
        return self._reached.get(name, 0)
