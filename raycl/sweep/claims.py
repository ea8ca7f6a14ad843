"""How a sweep uses leases: it asks for each node whether to train it or leave it to another."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

from raycl.plan.holding import Holding
from raycl.states.reduced import held
from raycl.storage import Storage
from raycl.sweep.leases import Leases

ASK_SECONDS = 5.0
"""Seconds between two questions about a node that another sweep holds."""


class NodeClaims:
    """Takes nodes for a sweep; the implementation of `raycl.sweep.frontier.Claims` by leases.

    `least` says what the ends of nodes must hold to count as finished, where that is more than
    their history.
    """

    def __init__(
        self,
        storage: Storage,
        leases: Leases,
        clock: Callable[[], float] = time.monotonic,
        least: Mapping[str, Holding] | None = None,
    ) -> None:
        self._storage, self._leases, self._clock = storage, leases, clock
        self._least = least or {}
        self._asked: dict[str, float] = {}

    def ask(self, node: str) -> Literal["ours", "theirs", "done"]:
        """Say whether this sweep trains the node, another sweep does, or the node is finished.

        Storage is asked about another sweep's node at most once in `ASK_SECONDS`; in between the
        answer is "theirs".
        """
        now = self._clock()
        if now - self._asked.get(node, now - ASK_SECONDS) < ASK_SECONDS:
            return "theirs"
        ours = self._leases.take(node)
        # The lease is taken first and the state looked for second. A sweep finishes a state before
        # it gives the lease back, so that a state which the last holder has finished is seen here.
        if held(self._storage, node, self._least.get(node, "results")):
            self._leases.release(node)
            return "done"
        if ours:
            return "ours"
        self._asked[node] = now
        return "theirs"

    def give_back(self, node: str) -> None:
        """Give other sweeps a node that this one has finished, or on which it has failed."""
        self._leases.release(node)
