"""How a sweep uses leases: it asks of each node whether it may train it, or another sweep does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from raycl.states.lookup import is_complete
from raycl.storage import Storage
from raycl.sweep.leases import Leases

ASK_SECONDS = 5.0
"""Seconds between two questions about a node that another sweep holds."""


class NodeClaims:
    """Takes nodes for a sweep; see `raycl.sweep.frontier.Claims`."""

    def __init__(
        self, storage: Storage, leases: Leases, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage, self._leases, self._clock = storage, leases, clock
        self._asked: dict[str, float] = {}

    def ask(self, node: str) -> Literal["ours", "theirs", "done"]:
        """Whether the node is ours to train, another sweep's, or finished.

        A node that another sweep holds is asked about at most once in `ASK_SECONDS`; in between the
        answer is "theirs".
        """
        now = self._clock()
        if now - self._asked.get(node, now - ASK_SECONDS) < ASK_SECONDS:
            return "theirs"
        ours = self._leases.take(node)
        # The state is looked for after the lease is taken: a sweep finishes a state before it gives
        # the lease back, so whatever the last holder has finished is seen here.
        if is_complete(self._storage, node):
            self._leases.release(node)
            return "done"
        if ours:
            return "ours"
        self._asked[node] = now
        return "theirs"

    def give_back(self, node: str) -> None:
        """Let other sweeps have a node that is finished here, or has failed here."""
        self._leases.release(node)
