"""Decides whether a node that has failed is tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from raycl.plan.state_index import StateIndex
from raycl.plan.tree import Node
from raycl.states.lookup import complete_states
from raycl.storage import Storage


class NodeFailures:
    """Counts the failures of each node since its last progress; more than `most` are final.

    Progress is a deeper state in storage. A week on machines that come and go brings many failures,
    and none of them is the node's fault as long as each attempt makes progress.
    """

    def __init__(self, nodes: Mapping[str, Node], storage: Storage, most: int) -> None:
        self._nodes, self._storage, self._most = nodes, storage, most
        self._failures: dict[str, int] = {}
        self._reached: dict[str, int] = {}

    def try_again(self, name: str) -> bool:
        """Count a failure of the node; returns whether it is tried again. One listing of states."""
        reached = self._deepest(name)
        if reached > self._reached.get(name, -1):
            self._reached[name], self._failures[name] = reached, 0
        self._failures[name] += 1
        return self._failures[name] <= self._most

    def forget(self, name: str) -> None:
        """Count no earlier failure of the node any more."""
        self._failures[name] = 0

    def _deepest(self, name: str) -> int:
        """The number of steps of the deepest stored state on the node's chain."""
        training = self._nodes[name].training
        # The node may have failed because the store does. Then nothing new is known.
        with contextlib.suppress(OSError):
            states = StateIndex(complete_states(self._storage))
            # Its end may be there and hold too little to count, whatever is trained now.
            along = states.along(training.chain, training.stop - 1)
            return next((step for step, _ in along), 0)
        return self._reached.get(name, 0)
