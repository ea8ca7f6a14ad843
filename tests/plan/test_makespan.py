"""How long a tree takes on a number of workers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.makespan import critical_path, least_makespan, makespan
from raycl.plan.tree import Node
from tests.helpers.fakes import make_training

TASK = make_training(8)


def node(name: str, parent: str | None, workers: int = 1) -> Node:
    from dataclasses import replace

    # The same chain for all: only the names, the steps and the workers count here.
    stage = replace(TASK, start=0, stop=8, workers=workers)
    return Node(name, parent, stage, ("x",))


TREE = (node("a", None), node("b", "a"), node("c", "a"), node("d", "a"))
SECONDS = {"a": 4.0, "b": 3.0, "c": 2.0, "d": 2.0}


def test_one_worker_does_one_after_another() -> None:
    assert makespan(TREE, SECONDS, 1) == 11


def test_children_wait_for_their_parent_and_share_the_workers() -> None:
    assert makespan(TREE, SECONDS, 2) == 4 + 4  # b, then c and d on the other worker
    assert makespan(TREE, SECONDS, 3) == critical_path(TREE, SECONDS) == 7
    assert least_makespan(TREE, SECONDS, 2) == 7


def test_what_is_finished_takes_no_time_and_frees_what_is_below() -> None:
    left = {**SECONDS, "a": 0.0}
    assert makespan(TREE, left, 3) == 3
    assert makespan(TREE, dict.fromkeys(SECONDS, 0.0), 1) == 0


def test_a_node_of_several_workers_waits_until_they_are_free() -> None:
    tree = (node("a", None, 2), node("b", None), node("c", None))
    assert makespan(tree, {"a": 5.0, "b": 1.0, "c": 1.0}, 2) == 6
    assert makespan(tree, {"a": 5.0, "b": 1.0, "c": 1.0}, 1) == 7  # counted as if there were two


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_lies_between_its_bounds(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    nodes = []
    for number in range(count):
        above = data.draw(st.integers(-1, number - 1))
        nodes.append(node(str(number), None if above < 0 else str(above)))
    seconds = {n.name: data.draw(st.integers(0, 9)) / 2 for n in nodes}
    workers = data.draw(st.integers(1, 4))
    found, least = makespan(nodes, seconds, workers), least_makespan(nodes, seconds, workers)
    assert least <= found + 1e-9
    # Graham's bound of list scheduling with precedence.
    assert found <= (2 - 1 / workers) * least + 1e-9
    assert makespan(nodes, seconds, 100) == pytest.approx(critical_path(nodes, seconds))
