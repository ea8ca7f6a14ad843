"""How a training learns that it is to save its state and leave."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from raycl.storage import Storage
from raycl.storage.retries import Retries
from raycl.sweep.steering.record import find_request

ASK_SECONDS = 5.0
"""Between two looks at what was asked of the node."""
_BRIEF = Retries(attempts=3, within_seconds=20)
"""A look that fails is not worth waiting for: the next one comes soon."""


class LeaveWatch:
    """Looks every few seconds, in a thread, whether somebody has paused or stopped a node.

    `on_change` is told in that thread when the answer changes. A look is one small read; one that
    fails leaves the last answer as it is, and never disturbs the training.
    """

    def __init__(self, storage: Storage, node: str, seconds: float = ASK_SECONDS) -> None:
        self._storage = Storage(storage.url, storage.options, _BRIEF)
        self._node, self._seconds = node, seconds
        self._wanted = False
        self._on_change: Callable[[bool], None] = lambda _: None
        self._ended = threading.Event()
        self.was_asked = False
        """Whether `asked` has said yes: then the training that ends early was to leave."""

    def __enter__(self) -> LeaveWatch:
        self._look()
        threading.Thread(target=self._go_on, name="raycl-steering", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def asked(self) -> bool:
        """Whether the node is to be left now."""
        self.was_asked |= self._wanted
        return self._wanted

    def tell(self, on_change: Callable[[bool], None]) -> None:
        """Tell this function from now on when the answer changes, and at once where it is yes."""
        self._on_change = on_change
        if self._wanted:
            on_change(True)

    def _go_on(self) -> None:
        while not self._ended.wait(self._seconds):
            with contextlib.suppress(Exception):  # whoever is told may be gone already
                self._look()

    def _look(self) -> None:
        with contextlib.suppress(Exception):  # the store, or a record that is damaged
            request = find_request(self._storage, self._node)
            before, self._wanted = self._wanted, request is not None and request.holds
            if self._wanted != before:
                self._on_change(self._wanted)
