"""Hours and dollars of a tree: numbers that can be checked by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.bounds import simple_bound
from raycl.plan.cost import make_plan
from raycl.plan.estimate import Bill, Estimate, Kept, estimates
from raycl.plan.prices import Prices
from raycl.plan.speed import Measured, workload_of
from raycl.plan.tree import Tree
from raycl.recipe.definition import corpus_facts, make_tree
from raycl.sweep.priced_plan import played_sweep
from tests.helpers.recipe_data import changed, defined

SPOT = {"dollars_per_hour": 1.8, "interruptions_per_hour": 0.36, "restart": "1 minute"}
KIND = {"dollars_per_hour": 3.6, "tokens_per_second": 10}
"""2,560 tokens of a node take 256 s, and a second costs a tenth of a cent."""


def tree(**changes: Any) -> Tree:
    """The stage `old`, and three of `new` after it: 20 steps of 8 rows of 16 tokens each."""
    definition = defined(sweep={"new.replay": ["0%", "25%", "50%"]}, **changes)
    return make_tree(definition, corpus_facts(definition, None))


TREE = tree()


def estimate(
    machines: dict[str, Any],
    existing: tuple[str, ...] = (),
    workers: int | None = None,
    measured: tuple[Measured, ...] = (),
    made: Tree = TREE,
    **fields: Any,
) -> list[Estimate]:
    prices = Prices.model_validate({"source": "x", "date": "y", "machines": machines, **fields})
    plan = make_plan(made, existing)
    kept = Kept(workers, played_sweep) if workers is not None else None
    return estimates(plan.nodes, made.nodes, prices, measured, kept)


def test_hours_and_dollars_of_a_small_tree() -> None:
    (found,) = estimate({"a": KIND}, workers=2)
    assert found.whole == found.left
    assert found.left is not None
    assert found.left.worker_hours == pytest.approx(4 * 256 / 3600)
    assert found.left.dollars == pytest.approx(1.024)
    assert found.shared is not None
    assert found.shared.dollars == pytest.approx(0.512)  # `old` twice more
    assert found.hours == pytest.approx(512 / 3600)
    assert found.rented is not None
    assert found.rented.hours == pytest.approx((256 + 2 * 256) / 3600)
    assert found.rented.dollars == pytest.approx(2 * 0.768)  # one machine waits at times


def test_what_storage_holds_is_not_left() -> None:
    root = TREE.nodes[0]
    (found,) = estimate({"a": KIND}, (root.name,))
    assert found.left is not None
    assert found.whole is not None
    assert (found.left.dollars, found.whole.dollars) == pytest.approx((0.768, 1.024))
    (half,) = estimate({"a": KIND}, (root.training.chain.name(10),))
    assert half.left is not None
    assert half.left.dollars == pytest.approx(0.896)


def test_workers_of_a_machine_share_its_price() -> None:
    (found,) = estimate({"a": {**KIND, "workers": 4}}, workers=2)
    assert found.left is not None
    assert found.rented is not None
    assert found.left.dollars == pytest.approx(0.256)
    assert found.rented.dollars == pytest.approx(0.768)  # the whole machine is paid


def test_the_waste_of_machines_that_are_taken_back() -> None:
    (found,) = estimate({"a": {**KIND, "spot": SPOT}})
    assert found.spot is not None
    # Nothing is saved but the end of each node: 4 · 256 s · 1e-4 / s · (128 s + 60 s), a bit more.
    assert found.spot.waste.worker_hours == pytest.approx(19.25 / 3600, rel=0.02)
    assert found.spot.bill.dollars == pytest.approx(0.512 + found.spot.waste.dollars)
    assert found.save_every is None
    often = tree(stages=changed(0)["stages"], execution={"save_every": 5})
    (saved,) = estimate({"a": {**KIND, "spot": SPOT}}, made=often)
    assert saved.spot is not None
    assert saved.spot.waste.worker_hours == pytest.approx(1024e-4 * (32 + 60) / 3600, rel=0.02)


def test_the_best_save_every_is_told_where_the_time_to_save_is_given() -> None:
    spot = {**SPOT, "interruptions_per_hour": 36, "save": "1 second"}
    (found,) = estimate({"a": {**KIND, "spot": spot}})
    # √(2 · 1 s · 100 s) = 14 s, of steps of 12.8 s.
    assert found.save_every == {"old": 1, "new": 1}
    (seldom,) = estimate({"a": {**KIND, "spot": {**spot, "interruptions_per_hour": 1e-4}}})
    assert seldom.save_every is None  # the state at a node's end is enough


def test_kinds_are_compared_and_stages_may_name_theirs() -> None:
    machines = {"a": KIND, "b": {**KIND, "dollars_per_hour": 7.2}}
    first, second = estimate(machines)
    assert first.left is not None
    assert second.left is not None
    assert second.left.dollars == pytest.approx(2 * first.left.dollars)
    (named,) = estimate(machines, stages={"old": "a", "new": "b"}, workers=1)
    assert named.left is not None
    assert named.left.dollars == pytest.approx(0.256 + 3 * 0.512)
    assert named.rented is not None
    assert named.rented.dollars is None  # machines of two kinds are not kept for all of it
    part, _ = estimate(machines, stages={"new": "b"})
    assert part.left == named.left


def test_without_a_basis_there_are_no_numbers() -> None:
    root = TREE.nodes[0]
    measured = Measured(workload_of(root.training), None, 10.0, 1.0)
    nothing, _ = estimate({"a": {"dollars_per_hour": 1}, "b": KIND})
    assert (nothing.left, nothing.whole, nothing.hours) == (None, None, None)
    assert nothing.speeds == {"old": None, "new": None}
    (found,) = estimate({"a": {"dollars_per_hour": 3.6}}, measured=(measured,))
    assert found.left is not None  # nodes of the same work have the same speed
    assert found.left.dollars == pytest.approx(1.024)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.floats(0.01, 100), st.integers(1, 8))
def test_machines_kept_cost_at_least_what_is_used(
    workers: int, price: float, per_machine: int
) -> None:
    kind = {**KIND, "dollars_per_hour": price, "workers": per_machine}
    (found,) = estimate({"a": kind}, workers=workers)
    assert found.left is not None
    assert found.rented is not None
    assert found.rented.dollars is not None
    assert found.rented.dollars >= found.left.dollars * (1 - 1e-9)
    assert found.hours is not None
    assert found.rented.hours >= found.hours * (1 - 1e-9)


def test_a_clock_is_not_asked_for_what_is_not_known() -> None:
    (found,) = estimate({"a": {"dollars_per_hour": 1}}, workers=2)
    assert found.rented is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=4, max_size=4), st.integers(1, 4))
def test_the_played_sweep_lies_between_its_bounds(times: list[int], workers: int) -> None:
    """Nodes of one worker each: list scheduling takes at most twice the lower bound (Graham)."""
    seconds = {node.name: float(time) for node, time in zip(TREE.nodes, times, strict=True)}
    least = simple_bound(TREE.nodes, seconds, workers)
    assert least <= played_sweep(TREE.nodes, seconds, workers) + 1e-9
    assert played_sweep(TREE.nodes, seconds, workers) <= 2 * least + 1e-9


def test_bills_add_up() -> None:
    assert Bill(1, 2) + Bill(3, 4) == Bill(4, 6)
