"""What a growing sweep asks for, and when: with held nodes, without room, beside other sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from raycl.plan.tree import Node
from raycl.sweep.claiming import Answer
from raycl.sweep.frontier import Frontier
from raycl.sweep.growth import NOTHING, Addition, GrowingTree
from tests.helpers import fakes

LINKS = [("trunk", None, 1), ("second", "trunk", 1)]
LINKS += [(f"r{number}", "second", 1) for number in range(9)]
NODES = fakes.make_tree(LINKS).nodes
TRUNK, SECOND, *RECIPES = NODES


class Recipes:
    """Adds one recipe after another; all of them go on from the same trunk."""

    frozen: frozenset[str] = frozenset()
    proposes = True
    measuring = 0
    awaits = False

    def __init__(self) -> None:
        self.left = list(RECIPES)
        self.lost_ones: list[str] = []

    def measure(self, places: int) -> bool:
        raise AssertionError(f"nothing is to be measured, on {places} places")

    def look(self) -> Addition:
        return NOTHING

    def more(self, idle: bool) -> Addition:
        del idle
        return Addition((self.left.pop(0),)) if self.left else NOTHING

    def ended(self, name: str) -> None:
        pass

    def lost(self, reasons: Mapping[str, str]) -> None:
        self.lost_ones += reasons


class Sweep:
    """A sweep of a trunk, which grows on 4 workers."""

    def __init__(self, finished: tuple[str, ...] = (), **settings: Any) -> None:
        self.slots, self.growth = 4.0, Recipes()
        nodes = (TRUNK, SECOND)
        self.frontier = Frontier(nodes, finished, slots=lambda: self.slots, **settings)
        self.growing = GrowingTree(self.frontier, self.growth)

    @property
    def proposed(self) -> int:
        return len(RECIPES) - len(self.growth.left)

    def start_all(self) -> list[str]:
        started: list[Node] = []
        while (node := self.growing.next()) is not None:
            started.append(node)
        return [node.name for node in started]


def test_recipes_below_several_shared_nodes_leave_room_for_what_is_learned() -> None:
    sweep = Sweep()
    assert sweep.start_all() == ["trunk"]
    assert sweep.proposed == 4
    sweep.frontier.complete("trunk")
    assert sweep.start_all() == ["second"]
    sweep.frontier.complete("second")
    assert sweep.start_all() == ["r0", "r1", "r2", "r3"]
    assert sweep.proposed == 4


def test_while_the_trunk_is_paused_no_more_is_proposed_than_has_room() -> None:
    sweep = Sweep()
    sweep.frontier.pause("trunk")
    for _ in range(3):
        assert sweep.start_all() == []
    assert sweep.proposed == 4
    sweep.frontier.resume("trunk")
    assert sweep.start_all() == ["trunk"]


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_a_search_does_not_end_in_recipes_that_cannot_be_trained(how: str) -> None:
    sweep = Sweep()
    if how == "stopped":
        sweep.frontier.freeze("trunk")
    else:
        node = sweep.frontier.next()
        assert node is not None
        sweep.frontier.fail(node.name, "no")
    for _ in range(20):
        assert sweep.start_all() == []
    assert 0 < sweep.proposed <= 3
    assert not sweep.frontier.has_work


def test_a_search_without_room_waits_and_does_not_end() -> None:
    """Others use the whole cluster: what is proposed waits in the queue for its turn."""
    sweep = Sweep(finished=("trunk", "second"), is_shared=lambda: True)
    sweep.slots = 0.0
    assert sweep.start_all() == []
    assert sweep.frontier.has_work
    assert sweep.proposed == 1
    assert sweep.frontier.could_start(4) == (1,) * 4
    sweep.slots = 2.0
    assert sweep.start_all() == ["r0", "r1"]


def test_a_search_says_in_the_queue_for_how_many_it_has_use() -> None:
    sweep = Sweep(is_shared=lambda: True)
    sweep.slots = 1.0
    assert sweep.start_all() == ["trunk"]
    assert sweep.frontier.could_start(4) == (1,) * 3
    sweep.slots = 4.0
    sweep.start_all()
    assert sweep.frontier.could_start(4) == ()  # room is kept for what waits for the trunk
    for name in ("trunk", "second"):
        sweep.frontier.complete(name)
        sweep.start_all()
    sweep.growth.left.clear()
    sweep.frontier.complete("r0")
    sweep.start_all()
    assert sweep.frontier.could_start(4) == ()


class Theirs:
    """Another sweep has one of the nodes."""

    def __init__(self, node: str) -> None:
        self.node = node

    def ask(self, node: str) -> Answer:
        return "theirs" if node == self.node else "ours"

    def give_back(self, node: str) -> None:
        pass


def test_two_processes_train_recipes_of_one_search() -> None:
    sweep = Sweep(finished=("trunk", "second"), claims=Theirs("r0"))
    assert sweep.start_all() == ["r1", "r2", "r3", "r4"]
    below = Sweep(claims=Theirs("trunk"))
    assert below.start_all() == []
    assert below.proposed == 4


def test_no_room_is_kept_for_what_waits_at_a_rung_below_others_nodes() -> None:
    """Else one of two processes would idle while the other trains recipes up to their rungs."""
    nodes = fakes.make_tree([("theirs", None, 1), ("beyond the rung", "theirs", 1)]).nodes
    frontier = Frontier(nodes, slots=lambda: 1.0, claims=Theirs("theirs"))
    assert frontier.next() is None
    assert not frontier.wants_more
    frontier.freeze("beyond the rung")
    assert frontier.wants_more


def test_a_recipe_that_may_pass_its_rung_stays_where_a_person_holds_it() -> None:
    sweep = Sweep(finished=("trunk",))
    sweep.growth.left.clear()
    frontier = sweep.frontier
    frontier.add(RECIPES[:1])
    for name in ("second", "r0"):
        frontier.freeze(name)
    frontier.pause("second")
    frontier.stop("r0")
    sweep.growing._take(Addition(thawed=frozenset(["second", "r0"])))
    assert sweep.start_all() == []
    assert frontier.paused == {"second"}
    assert frontier.frozen == {"r0"}
    frontier.resume("second")
    frontier.resume("r0")
    assert sweep.start_all() == ["second"]


class Measured(Recipes):
    """Measures two states, each when it is told so; nothing may be added before."""

    def __init__(self) -> None:
        super().__init__()
        self.queued, self.measuring, self.done = 2, 0, 0

    @property
    def awaits(self) -> int:  # type: ignore[override]
        return self.queued + self.measuring

    def measure(self, places: int) -> bool:
        ended, self.done = self.done, 0
        self.measuring -= ended
        started = min(places + ended, self.queued)
        self.queued, self.measuring = self.queued - started, self.measuring + started
        return ended > 0

    def more(self, idle: bool) -> Addition:
        return NOTHING if self.awaits else super().more(idle)


def test_states_are_measured_on_places_of_workers_before_anything_is_added() -> None:
    growth, slots = Measured(), [1.0]
    frontier = Frontier((TRUNK,), (TRUNK.name,), slots=lambda: slots[0])
    growing = GrowingTree(frontier, growth)
    assert growing.next() is None
    assert (growth.measuring, growth.queued) == (1, 1)  # one place: the other one waits
    assert (frontier.in_use, frontier.could_start(4)[:1]) == ((1,), (1,))
    assert growing.awaits
    assert not frontier.has_work
    growth.done = 1
    assert growing.next() is None
    assert (growth.measuring, growth.queued) == (1, 0)
    growth.done = 1
    node = growing.next()
    assert node is not None
    assert not growing.awaits
    assert frontier.in_use == (1,)


def test_a_node_does_not_start_where_a_state_is_measured() -> None:
    growth = Measured()
    frontier = Frontier(NODES[:2], (TRUNK.name,), slots=lambda: 2)
    growing = GrowingTree(frontier, growth)
    assert growing.next() is None
    assert growth.measuring == 2
    growth.done = 1
    node = growing.next()
    assert node is not None
    assert node.name == SECOND.name
    assert growing.next() is None
