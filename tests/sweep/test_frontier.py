"""The order in which the nodes of a tree are trained, and what a failure takes along."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from raycl.sweep.frontier import Frontier
from tests.helpers import fakes


def order(frontier: Frontier) -> list[str]:
    """Nodes as they start when each is done before the next is asked for."""
    names = []
    while (node := frontier.next()) is not None:
        names.append(node.name)
        frontier.complete(node.name)
    return names


def test_the_longest_way_comes_first() -> None:
    frontier = Frontier(fakes.make_tree(fakes.SEVEN).nodes)
    assert order(frontier) == ["a", "b", "c", "d", "e", "f", "g"]
    assert not frontier.waiting


def test_children_wait_for_their_parent() -> None:
    frontier = Frontier(fakes.make_tree(fakes.SEVEN).nodes)
    root = frontier.next()
    assert root is not None
    assert root.name == "a"
    assert frontier.next() is None
    frontier.complete("a")
    assert [node.name for node in (frontier.next(), frontier.next()) if node] == ["b", "c"]
    assert frontier.next() is None


def test_a_node_of_several_workers_is_not_made_to_wait_longer() -> None:
    tree = fakes.make_tree([("a", None, 1), ("two", None, 2), ("b", None, 1), ("c", None, 1)])
    takes = {"a": 9, "two": 5, "b": 4, "c": 3}
    frontier = Frontier(tree.nodes, slots=lambda: 2, time=lambda node: takes[node.name])
    assert frontier.next().name == "a"  # type: ignore[union-attr]
    for name in ("b", "c"):  # which end before `a` does
        assert frontier.next().name == name  # type: ignore[union-attr]
        assert frontier.next() is None
        frontier.complete(name)
    frontier.complete("a")
    assert frontier.next().name == "two"  # type: ignore[union-attr]
    assert frontier.next() is None


def test_nobody_overtakes_a_node_of_several_workers_for_longer() -> None:
    tree = fakes.make_tree([("a", None, 1), ("two", None, 2), ("b", None, 1)])
    takes = {"a": 9, "two": 9, "b": 10}
    frontier = Frontier(tree.nodes, slots=lambda: 2, time=lambda node: takes[node.name])
    assert frontier.next().name == "two"  # type: ignore[union-attr]
    frontier.complete("two")
    frontier = Frontier(tree.nodes[:2], slots=lambda: 2, time=lambda node: takes[node.name])
    frontier.pause("two")
    assert frontier.next().name == "a"  # type: ignore[union-attr]
    frontier.resume("two")
    frontier.add(tree.nodes)
    assert frontier.next() is None
    frontier.complete("a")
    assert frontier.next().name == "two"  # type: ignore[union-attr]


def test_a_node_larger_than_the_cluster_starts_alone() -> None:
    frontier = Frontier(fakes.make_tree([("a", None, 8)]).nodes, slots=lambda: 2)
    assert frontier.next() is not None


def test_no_more_run_at_once_than_asked_for() -> None:
    frontier = Frontier(fakes.make_tree([(n, None, 1) for n in "abc"]).nodes, concurrent=2)
    assert frontier.next() is not None
    assert frontier.next() is not None
    assert frontier.next() is None


def test_a_failure_takes_what_is_below_it_along() -> None:
    frontier = Frontier(fakes.make_tree(fakes.SEVEN).nodes)
    frontier.next()
    frontier.complete("a")
    assert {frontier.next().name, frontier.next().name} == {"b", "c"}  # type: ignore[union-attr]
    assert frontier.fail("b", "it broke") == ("d", "e", "g")
    frontier.complete("c")
    assert order(frontier) == ["f"]
    assert frontier.failed == {"b": "it broke"}
    assert frontier.skipped == ["d", "e", "g"]


def test_finished_nodes_are_never_suggested() -> None:
    frontier = Frontier(fakes.make_tree(fakes.SEVEN).nodes, finished=["a", "b", "d"])
    assert sorted(order(frontier)) == ["c", "e", "f", "g"]
    assert frontier.existing == ("a", "b", "d")


def test_tune_is_told_later_and_finished() -> None:
    from raycl.sweep.tune_searcher import NodeSearcher

    frontier = Frontier(fakes.make_tree(fakes.SEVEN[:2]).nodes)
    searcher = NodeSearcher(frontier)
    assert searcher.suggest("1") == {
        "node": "a",
        "place": 0,
        "title": "a-000000-000004-a",
        "workers": 1,
        "again": False,
    }
    assert searcher.suggest("2") is None
    frontier.complete("a")
    assert searcher.suggest("2")["node"] == "b"
    assert searcher.suggest("3") is None  # `b` may fail and wait again
    frontier.fail("b", "it broke")
    assert searcher.suggest("3") == "FINISHED"


def test_an_elastic_node_takes_what_is_free() -> None:
    tree = fakes.make_tree([("a", None, 4), ("b", None, 1)])
    elastic = replace(tree.nodes[0], training=replace(tree.nodes[0].training, fewest_workers=2))
    for slots, taken, second in ((2, 2, False), (3, 3, False), (4, 4, False), (5, 4, True)):
        nodes = elastic, tree.nodes[1]
        frontier = Frontier(nodes, slots=partial(float, slots), time=lambda node: node.steps)
        assert frontier.next() is elastic
        assert frontier.running == {"a": taken}
        assert (frontier.next() is not None) is second
