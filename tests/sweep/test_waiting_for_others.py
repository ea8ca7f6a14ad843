"""A sweep that waits while nothing of it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from raycl.cluster.interruption import Interruption
from raycl.sweep import driver
from raycl.sweep.driver import wait_for_node
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
    node = wait_for_node(frontier, progress, growing)
    assert node is not None
    assert node.name == "last"


class _Turns:
    """The sweep's allotment: nothing at first; then what somebody does at each question."""

    stopped = False

    def __init__(self, *turns: str) -> None:
        self.turns, self.slots, self.told = list(turns), 0.0, 0
        self.frontier = Frontier((FIRST, LAST), slots=lambda: self.slots, is_shared=lambda: True)

    def tell_waiting(self) -> None:
        self.told += 1

    def interruption(self) -> Interruption:
        return Interruption()

    def obey(self) -> None:
        turn = self.turns.pop(0) if self.turns else ""
        if turn == "its turn":
            self.slots = 1.0
        elif turn == "Ctrl-C":
            self.stopped = True
        elif turn == "all stopped":
            self.frontier.freeze("first")
            self.frontier.freeze("last")


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "WAIT_SECONDS", 0.0)


@pytest.mark.usefixtures("no_pause")
def test_without_an_allotment_a_sweep_waits_for_its_turn_and_has_its_node() -> None:
    progress: Any = _Turns("", "", "its turn")
    frontier = progress.frontier
    node = wait_for_node(frontier, progress, GrowingTree(frontier))
    assert node is not None
    assert frontier.running == {node.name: 1}
    assert (progress.turns, progress.told) == ([], 1)


@pytest.mark.usefixtures("no_pause")
def test_without_an_allotment_a_sweep_hears_what_people_ask() -> None:
    progress: Any = _Turns("", "all stopped")
    assert wait_for_node(progress.frontier, progress, GrowingTree(progress.frontier)) is None
    interrupted: Any = _Turns("", "Ctrl-C")
    with pytest.raises(KeyboardInterrupt):
        wait_for_node(interrupted.frontier, interrupted, GrowingTree(interrupted.frontier))


def test_tune_gets_the_node_that_was_waited_for_first() -> None:
    from raycl.sweep.tune_searcher import NodeSearcher

    frontier = Frontier((FIRST, LAST), slots=lambda: 1.0)
    searcher = NodeSearcher(frontier, first=frontier.next())
    assert searcher.suggest("1")["node"] == "first"
    assert searcher.suggest("2") is None
