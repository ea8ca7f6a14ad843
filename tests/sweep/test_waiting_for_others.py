"""A sweep that waits while nothing of it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raycl.sweep.driver import _wait_for_others
from raycl.sweep.frontier import Frontier
from raycl.sweep.growth import NOTHING, Addition, GrowingTree
from tests.helpers import fakes

FIRST, LAST = fakes.make_tree([("first", None, 1), ("last", None, 1)]).nodes


class _Last:
    """Lets one more recipe be trained when all others are through."""

    frozen: frozenset[str] = frozenset()
    proposes = False
    measuring = 0
    awaits = False

    def measure(self, places: int) -> bool:
        raise AssertionError(f"nothing is to be measured, on {places} places")

    def look(self) -> Addition:
        return NOTHING

    def more(self, idle: bool) -> Addition:
        return Addition((LAST,)) if idle else NOTHING

    def ended(self, name: str) -> None:
        pass

    def lost(self, reasons: Mapping[str, str]) -> None:
        pass


class _Stops:
    """Hears that the node which was paused is to be left out."""

    stopped = False

    def __init__(self, frontier: Frontier) -> None:
        self._frontier = frontier

    def tell_waiting(self) -> None:
        pass

    def obey(self) -> None:
        self._frontier.resume("first")
        self._frontier.freeze("first")


def test_when_the_last_paused_node_is_stopped_the_search_goes_on() -> None:
    frontier = Frontier((FIRST,))
    frontier.pause("first")
    growing = GrowingTree(frontier, _Last())
    assert growing.next() is None
    progress: Any = _Stops(frontier)
    _wait_for_others(frontier, progress, growing)
    assert frontier.has_work
    node = growing.next()
    assert node is not None
    assert node.name == "last"
