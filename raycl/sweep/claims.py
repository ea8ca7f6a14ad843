"""A sweep's side of the leases: which node is ours to train, theirs, or done by them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from raycl.states.lookup import is_complete
from raycl.storage import Storage
from raycl.sweep.leases import Leases

ASK_SECONDS = 5.0
"""Between two questions about a node that another sweep has."""


class NodeClaims:
    """Takes nodes for a sweep; see `raycl.sweep.frontier.Claims`."""

    def __init__(
        self, storage: Storage, leases: Leases, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage, self._leases, self._clock = storage, leases, clock
        self._asked: dict[str, float] = {}

    def ask(self, node: str) -> Literal["ours", "theirs", "done"]:
        """At most one question in `ASK_SECONDS` about a node that is another sweep's."""
        now = self._clock()
        if now - self._asked.get(node, now - ASK_SECONDS) < ASK_SECONDS:
            return "theirs"
        ours = self._leases.take(node)
        # In this order: a sweep that gives a node back has finished its state before.
        if is_complete(self._storage, node):
            self._leases.release(node)
            return "done"
        if ours:
            return "ours"
        self._asked[node] = now
        return "theirs"

    def give_back(self, node: str) -> None:
        """It is finished, or failed here: another sweep may try."""
        self._leases.release(node)
