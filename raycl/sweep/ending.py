"""The end of a sweep that a signal stops: what it waits for, and what it says at last."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping

from raycl.cluster.interruption import Interruption
from raycl.errors import InputError
from raycl.plan.tree import Node
from raycl.sweep.events import node_label
from raycl.sweep.steering.stop_order import StopOrder

SAVE_SECONDS = 8.0
"""How long a sweep that was stopped waits for its nodes to save, where nobody gives another time.
What has not saved until then is ended without: it goes on from its newest state in the storage."""
_VARIABLE = "RAYCL_STOP_SECONDS"
_LEAST_SECONDS = 3.0
"""What they have where the order comes late: Tune's loop may be busy when the signal comes."""
_NAMED = 3
"""Nodes that the last sentence names; of more it tells how many there are."""


def save_seconds() -> float:
    """SAVE_SECONDS, or what the environment gives instead. Raises InputError."""
    text = os.environ.get(_VARIABLE) or str(SAVE_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        problem = f"{text!r} is no number of seconds"
        raise InputError(_VARIABLE, problem, f"Set it to 60, say, or unset {_VARIABLE}")
    return seconds


class Ending:
    """Whether a sweep was stopped, since when, and which of its nodes have saved since.

    `begin` is called by a signal's handler, so it only takes notes. The order to the trials is
    given by the loop that comes by next.
    """

    def __init__(
        self,
        order: StopOrder | None = None,
        seconds: float = SAVE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._order, self._seconds, self._clock = order, seconds, clock
        self._since = self._ordered = 0.0
        self._is_ordered = False
        self._left: dict[str, int | None] = {}
        """Nodes that have left since, each with the steps of the state that it has written."""
        self._number: int | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether the sweep was stopped."""
        return self._number is not None

    def begin(self, number: int) -> None:
        """Note that the signal with this number stops the sweep."""
        self._number, self._since = number, self._clock()

    def give_order(self) -> bool:
        """Have the trials save and leave; whether this is the first call."""
        is_first, self._is_ordered = not self._is_ordered, True
        if is_first and self._order is not None:
            self._order.give()
        if is_first:
            self._ordered = self._clock()
        return is_first

    @property
    def is_late(self) -> bool:
        """Whether the time is up in which nodes may save."""
        now, least = self._clock(), min(self._seconds, _LEAST_SECONDS)
        return now - self._since > self._seconds and now - self._ordered > least

    def promise(self, running: int) -> str:
        """What is going to happen, where so many nodes are trained now."""
        nodes = "the running node saves its state and leaves"
        if running > 1:
            nodes = f"each of the {running} running nodes saves its state and leaves"
        return f"{nodes}, within {self._seconds:.0f} s; a second Ctrl-C ends at once"

    def left(self, node: str, saved: int | None) -> None:
        """Note that a node has left, after it has saved the state of so many steps."""
        self._left[node] = saved

    def interruption(self, nodes: Mapping[str, Node], unsaved: list[str]) -> Interruption:
        """What to raise at the end: it says what was saved, and what was not in time."""
        saved = {name: step for name, step in self._left.items() if step is not None}
        told = []
        if saved:
            told.append(f"Saved: {_listed([_step(nodes[n], s) for n, s in saved.items()])}.")
        if unsaved:
            titles = _listed([node_label(nodes[name]) for name in unsaved])
            told.append(
                f"Ended after {self._seconds:.0f} s, without word that it has saved; it goes on "
                f"from its newest state in the storage: {titles}."
            )
        return Interruption(self._number or Interruption().number, " ".join(told))


def _step(node: Node, step: int) -> str:
    return f"{node_label(node)} at step {step}"


def _listed(titles: list[str]) -> str:
    if len(titles) <= _NAMED:
        return "; ".join(titles)
    return f"{'; '.join(titles[:_NAMED])}; and {len(titles) - _NAMED} more"
