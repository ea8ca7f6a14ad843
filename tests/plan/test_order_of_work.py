"""The longest remaining path first, and reservations for what does not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from raycl.plan.order_of_work import node_time, order_of_work
from raycl.plan.reservation import Busy, reservation
from raycl.plan.tree import Node
from tests.helpers import fakes


def _order(
    spec: Sequence[tuple[str, str | None, int]],
    finished: Collection[str] = (),
    times: Mapping[str, float] | None = None,
) -> list[str]:
    nodes = fakes.make_tree(spec).nodes
    urgencies = order_of_work(nodes, finished, times)
    return sorted(urgencies, key=urgencies.__getitem__)


def test_the_longest_remaining_path_counts_and_not_the_node() -> None:
    spec = [("a", None, 1), ("b", None, 1), ("b2", "b", 1), ("c", None, 1)]
    assert _order(spec, times={"a": 4, "b": 1, "b2": 4, "c": 2}) == ["b", "a", "b2", "c"]


def test_what_is_finished_is_no_work() -> None:
    spec = [("a", None, 1), ("a2", "a", 1), ("b", None, 1)]
    times = {"a": 5, "a2": 2, "b": 3}
    assert _order(spec, times=times)[0] == "a"
    assert _order(spec, {"a"}, times)[0] == "b"


def test_equal_paths_keep_their_places() -> None:
    assert _order([(name, None, 1) for name in "xyz"]) == ["x", "y", "z"]


def test_of_equal_times_more_workers_come_first() -> None:
    spec = [("one", None, 1), ("four", None, 4)]
    assert _order(spec, times={"one": 2, "four": 2}) == ["four", "one"]
    assert _order(spec, times={"one": 2.1, "four": 1}) == ["one", "four"]


def _sized(node: Node, hidden: int, layers: int = 2) -> Node:
    config = {"model_type": "gpt_neox", "hidden_size": hidden, "num_hidden_layers": layers}
    config |= {"intermediate_size": 4 * hidden, "vocab_size": 64, "num_attention_heads": 1}
    model = replace(node.training.model, config=config)
    return replace(node, training=replace(node.training, model=model))


def test_a_step_of_a_larger_model_takes_longer() -> None:
    small, large = fakes.make_tree([("small", None, 1), ("large", None, 1)]).nodes
    nodes = (_sized(small, 32), _sized(large, 64))
    assert node_time(nodes[1]) > 2 * node_time(nodes[0])
    urgencies = order_of_work(nodes, ())
    assert urgencies["large"] < urgencies["small"]


def test_time_is_that_of_all_workers() -> None:
    (node,) = fakes.make_tree([("a", None, 1)]).nodes
    four = replace(node, training=replace(node.training, workers=4))
    assert node_time(node) == pytest.approx(4 * node_time(four))


def test_a_model_of_unknown_size_has_a_time() -> None:
    (node,) = fakes.make_tree([("a", None, 1)]).nodes
    odd = replace(node.training.model, config={"model_type": "odd"})
    odd_node = replace(node, training=replace(node.training, model=odd))
    assert node_time(odd_node) > 0


def test_a_reservation_is_for_when_enough_slots_are_free() -> None:
    running = [Busy(2, 5.0), Busy(1, 3.0), Busy(1, 9.0)]
    found = reservation("wide", 3, 4, running)
    assert (found.at, found.spare) == (5.0, 0)


def test_slots_that_are_left_over_may_be_taken_for_long() -> None:
    found = reservation("wide", 2, 4, [Busy(3, 5.0)])
    assert found.spare == 2
    assert found.lets(2, end=100.0)
    assert not found.lets(3, end=100.0)
    assert found.lets(3, end=5.0)


def test_nodes_that_end_together_leave_their_slots_together() -> None:
    found = reservation("wide", 2, 4, [Busy(2, 5.0), Busy(2, 5.0)])
    assert (found.at, found.spare) == (5.0, 2)


def test_a_reservation_is_never_moved_back() -> None:
    assert reservation("wide", 2, 2, [Busy(1, 8.0)], promised=5.0).at == 5.0
    assert reservation("wide", 2, 2, [Busy(1, 4.0)], promised=5.0).at == 4.0


def test_a_node_larger_than_all_slots_waits_for_all() -> None:
    found = reservation("huge", 8, 2, [Busy(1, 3.0), Busy(1, 7.0)])
    assert (found.at, found.spare) == (7.0, 0)
