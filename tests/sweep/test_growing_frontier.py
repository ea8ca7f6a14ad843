"""A frontier whose tree grows, and whose nodes can be paused and frozen."""

from __future__ import annotations

from raycl.sweep.frontier import Frontier
from tests.helpers import fakes


def _frontier(spec: list[tuple[str, str | None, int]]) -> Frontier:
    return Frontier(fakes.make_tree(spec).nodes)


def _next(frontier: Frontier) -> str:
    node = frontier.next()
    assert node is not None
    return node.name


def test_added_nodes_wait_for_their_parent() -> None:
    nodes = fakes.make_tree([("a", None, 1), ("b", "a", 1), ("c", "a", 1), ("d", "c", 1)]).nodes
    frontier = Frontier(nodes[:1])
    assert _next(frontier) == "a"
    assert [node.name for node in frontier.add(nodes)] == ["b", "c", "d"]
    assert frontier.next() is None
    frontier.complete("a")
    assert [_next(frontier), _next(frontier)] == ["c", "b"]  # the longer one first


def test_an_added_child_of_a_finished_node_starts_at_once() -> None:
    nodes = fakes.make_tree([("a", None, 4), ("b", "a", 4)]).nodes
    frontier = Frontier(nodes[:1], finished=["a"])
    assert not frontier.has_work
    frontier.add(nodes[1:])
    assert _next(frontier) == "b"


def test_added_nodes_that_are_stored_are_no_work() -> None:
    nodes = fakes.make_tree([("a", None, 4), ("b", "a", 4)]).nodes
    frontier = Frontier(())
    assert frontier.add(nodes, finished=["a", "b"]) == ()
    assert not frontier.has_work
    assert frontier.existing == ("a", "b")


def test_what_hangs_on_a_failed_node_is_skipped() -> None:
    nodes = fakes.make_tree([("a", None, 4), ("b", "a", 4), ("c", "b", 1)]).nodes
    frontier = Frontier(nodes[:1])
    frontier.fail(_next(frontier), "no")
    assert frontier.add(nodes[1:]) == ()
    assert frontier.skipped == ["b", "c"]
    assert not frontier.has_work


def test_a_paused_node_is_waited_for() -> None:
    frontier = _frontier([("a", None, 4), ("b", None, 2)])
    frontier.pause("a")
    assert _next(frontier) == "b"
    assert frontier.next() is None
    frontier.complete("b")
    assert frontier.has_work
    frontier.resume("a")
    assert _next(frontier) == "a"


def test_the_sweep_ends_without_a_frozen_node_and_all_below_it() -> None:
    frontier = _frontier([("a", None, 4), ("b", "a", 2), ("c", None, 1)])
    frontier.freeze("a")
    assert _next(frontier) == "c"
    frontier.complete("c")
    assert frontier.next() is None
    assert not frontier.has_work
    assert set(frontier.waiting) == {"a", "b"}


def test_a_running_node_that_is_paused_and_put_back_does_not_start_again() -> None:
    frontier = _frontier([("a", None, 4)])
    frontier.pause(_next(frontier))
    frontier.put_back("a")
    assert frontier.next() is None
    assert frontier.has_work
