"""How a training learns that it is to save its state and leave."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from raycl.storage import Storage
from raycl.storage.retries import Retries
from raycl.sweep.steering.record import find_request
from raycl.sweep.steering.stop_order import StopOrder

ASK_SECONDS = 5.0
"""Between two looks at what was asked of the node."""
STOP_SECONDS = 0.5
"""Between two questions whether the whole sweep ends."""
_BRIEF = Retries(attempts=3, within_seconds=20)
"""A look that fails is not worth waiting for: the next one comes soon."""


class LeaveWatch:
    """Looks every few seconds, in a thread, whether somebody has paused or stopped a node.

    `on_change` is told in that thread when the answer changes. A look is one small read; one that
    fails leaves the last answer as it is, and never disturbs the training. A second thread asks
    whether the whole sweep ends, which nobody takes back.
    """

    def __init__(
        self,
        storage: Storage,
        node: str,
        seconds: float = ASK_SECONDS,
        stop: StopOrder | None = None,
    ) -> None:
        self._storage = Storage(storage.url, storage.options, _BRIEF)
        self._node, self._seconds, self._stop = node, seconds, stop
        self._wanted = False
        self.sweep_ends = False
        """Whether the whole sweep ends: then nothing is kept for a next node."""
        self._on_change: Callable[[bool], None] = lambda _: None
        self._ended = threading.Event()
        self.was_asked = False
        """Whether `asked` has said yes: then the training that ends early was to leave."""

    def __enter__(self) -> LeaveWatch:
        self._look()
        threading.Thread(target=self._go_on, name="raycl-steering", daemon=True).start()
        if self._stop is not None:
            threading.Thread(
                target=self._follow, args=(self._stop,), name="raycl-stop", daemon=True
            ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def asked(self) -> bool:
        """Whether the node is to be left now."""
        wanted = self._wanted or self.sweep_ends
        self.was_asked |= wanted
        return wanted

    def tell(self, on_change: Callable[[bool], None]) -> None:
        """Tell this function from now on when the answer changes, and at once where it is yes."""
        self._on_change = on_change
        if self._wanted or self.sweep_ends:
            on_change(True)

    def _follow(self, stop: StopOrder) -> None:
        while not stop.is_given():
            if self._ended.wait(STOP_SECONDS):
                return
        self.sweep_ends = True
        with contextlib.suppress(Exception):  # whoever is told may be gone already
            self._on_change(True)

    def _go_on(self) -> None:
        while not self._ended.wait(self._seconds):
            with contextlib.suppress(Exception):  # whoever is told may be gone already
                self._look()

    def _look(self) -> None:
        with contextlib.suppress(Exception):  # the store, or a record that is damaged
            request = find_request(self._storage, self._node)
            before, self._wanted = self._wanted, request is not None and request.holds
            if self._wanted != before and not self.sweep_ends:
                self._on_change(self._wanted)
