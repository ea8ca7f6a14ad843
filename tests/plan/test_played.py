"""How long a tree takes on so many slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.least_time import least_time
from benchmarks.made_up_trees import made_up_tree
from raycl.plan.bounds import better_bound, simple_bound
from raycl.plan.played import last_end, played
from raycl.sweep.frontier import Frontier
from tests.helpers import fakes


def _bounds(
    spec: Sequence[tuple[str, str | None, int]], seconds: Mapping[str, float], slots: int
) -> tuple[float, float, float]:
    nodes = fakes.make_tree(spec).nodes
    arguments = nodes, seconds, slots
    return simple_bound(*arguments), better_bound(*arguments), least_time(*arguments)


def test_work_divided_by_slots_and_the_longest_path() -> None:
    spec = [("a", None, 1), ("b", None, 1), ("c", "b", 1)]
    assert _bounds(spec, {"a": 6, "b": 2, "c": 2}, 1) == (10, 10, 10)
    assert _bounds(spec, {"a": 6, "b": 2, "c": 2}, 2) == (6, 6, 6)


def test_what_begins_late_has_to_be_done_after_that() -> None:
    spec = [("trunk", None, 1), *((f"b{n}", "trunk", 1) for n in range(4))]
    seconds = {"trunk": 5} | {f"b{n}": 2 for n in range(4)}
    assert _bounds(spec, seconds, 4) == (7, 7, 7)
    assert _bounds(spec, seconds, 2) == (7, 9, 9)


def test_nodes_of_more_than_half_of_the_slots_run_one_after_the_other() -> None:
    spec = [(name, None, 3) for name in "abcd"]
    assert _bounds(spec, dict.fromkeys("abcd", 1), 4) == (3, 4, 4)


def test_three_nodes_of_two_workers_on_five_slots() -> None:
    spec = [(name, None, 2) for name in "abcd"]
    simple, better, least = _bounds(spec, dict.fromkeys("abcd", 1), 5)
    assert simple == pytest.approx(8 / 5)
    assert (better, least) == (2, 2)


def test_no_nodes_take_no_time() -> None:
    assert simple_bound((), {}, 2) == better_bound((), {}, 2) == last_end(()) == 0


def test_a_played_clock() -> None:
    nodes = fakes.make_tree([("a", None, 1), ("b", "a", 1), ("c", "a", 1), ("d", "b", 1)]).nodes
    frontier = Frontier(nodes, slots=lambda: 1)
    spans = played(frontier, lambda node, workers: node.steps / workers)
    assert [(span.name, span.start, span.end) for span in spans] == [
        ("a", 0, 4),
        ("b", 4, 8),
        ("c", 8, 12),
        ("d", 12, 16),
    ]
    assert last_end(spans) == 16


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(0, 4))
def test_bounds_are_below_the_optimum_and_this_below_what_the_frontier_takes(
    random: Random, count: int, more: int
) -> None:
    timed = made_up_tree(random, count, (1, 2, 3), (1, 4))
    nodes, seconds, slots = timed.tree.nodes, timed.seconds, timed.widest + more
    frontier = Frontier(nodes, slots=lambda: slots, time=lambda node: seconds[node.name])
    least = least_time(nodes, seconds, slots)
    larger = better_bound(nodes, seconds, slots)
    assert simple_bound(nodes, seconds, slots) <= larger * (1 + 1e-9)
    assert larger <= least * (1 + 1e-9)
    takes = last_end(played(frontier, lambda node, _: seconds[node.name]))
    assert least <= takes * (1 + 1e-9)
