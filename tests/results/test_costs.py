"""What a trained sweep has cost, and what its storage says of the speed of the next one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from raycl.cli.money_view import estimates_data, print_estimates
from raycl.plan.prices import Prices
from raycl.recipe.prices_file import store_prices
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.bill import bill_so_far, bill_text, marks_along
from raycl.states.mark import MachineFacts, StateMark, read_mark, remove_state, write_mark
from raycl.storage import Storage, layout
from raycl.storage.machine import processor_name
from raycl.sweep.costs import dollars_for, sweep_bill
from raycl.sweep.description import trained_states
from raycl.sweep.priced_plan import priced_plan
from raycl.sweep.results import write_all
from tests.helpers.finished_sweep import NAME, definition, finished_sweep
from tests.helpers.report_page import snapshot_in
from tests.helpers.state_marks import state_mark


def prices(**machines: dict[str, Any]) -> Prices:
    return Prices.model_validate({"source": "made up", "date": "today", "machines": machines})


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage in which the sweep `small` is finished: three states."""
    return finished_sweep(tmp_path_factory.mktemp("storage"))


def marks(storage: Storage) -> list[StateMark]:
    return [read_mark(storage, name) for name in trained_states(storage, NAME)]


def test_a_mark_says_on_what_it_was_computed_and_how_long_all_workers_took(
    storage: Storage,
) -> None:
    for mark in marks(storage):
        assert mark.machine == MachineFacts(device=processor_name(), hosts=1)
        assert mark.sequence_length == 16
        assert mark.worker_seconds == mark.worker_time == mark.seconds > 0


def test_the_bill_is_the_time_of_its_states_at_their_price(storage: Storage) -> None:
    bill = sweep_bill(storage, NAME, prices(a={"dollars_per_hour": 3600, "workers": 2}))
    assert bill is not None
    seconds = sum(mark.seconds for mark in marks(storage))
    assert bill.priced.worker_hours == pytest.approx(seconds / 3600)
    assert bill.priced.dollars == pytest.approx(seconds / 2)
    assert (bill.states, bill.unpriced, bill.without_device) == (3, {}, 0)
    assert bill.spot_dollars is None


def test_without_prices_there_is_no_bill(storage: Storage) -> None:
    assert sweep_bill(storage, NAME) is None
    assert dollars_for(storage, NAME, 1e9) is None


def test_the_page_tells_the_bill_where_the_sweep_was_told_prices(tmp_path: Path) -> None:
    storage, file = finished_sweep(tmp_path / "storage"), tmp_path / "prices.yaml"
    plan = plan_sweeps((definition(),), storage)
    assert b"cost so far" not in storage.read_bytes(layout.sweep_report(NAME))
    file.write_text("source: x\ndate: y\nmachines: {a: {dollars_per_hour: 3600}}\n")
    store_prices(storage, NAME, file)
    write_all(plan, storage)
    bill = sweep_bill(storage, NAME)
    assert bill is not None
    page = snapshot_in(storage.read_bytes(layout.sweep_report(NAME)))
    assert page["sweeps"][0]["facts"]["Work"]["cost so far"] == bill_text(bill)
    # 18 steps of 128 tokens were trained.
    assert dollars_for(storage, NAME, 18 * 128) == pytest.approx(bill.priced.dollars)
    # A record that cannot be read does not keep the results from being written.
    storage.write_bytes(layout.sweep_prices(NAME), b"{}")
    write_all(plan, storage)
    assert "the prices of a sweep" in storage.read_bytes(layout.sweep_report(NAME)).decode()


def test_a_plan_takes_the_measured_speed(storage: Storage) -> None:
    plan = plan_sweeps((definition(),), storage)
    kind = {"dollars_per_hour": 3600, "tokens_per_second": 1}
    (found,) = priced_plan(plan, storage, prices(a=kind))
    assert {s and s.basis for s in found.speeds.values()} == {"measured"}
    assert found.left is not None
    assert found.left.dollars == 0
    assert found.whole is not None
    # Three nodes of six steps each, as those that were measured; medians are not their mean.
    seconds = [mark.seconds for mark in marks(storage)]
    assert min(seconds) * 3 / 2 < found.whole.dollars < max(seconds) * 3 * 2
    (elsewhere,) = priced_plan(plan, storage, prices(a={**kind, "device": "H100"}))
    assert {s and s.basis for s in elsewhere.speeds.values()} == {"by hand"}


def test_what_is_inside_an_unfinished_node_is_in_the_bill(tmp_path: Path) -> None:
    storage = finished_sweep(tmp_path / "storage")
    before = trained_states(storage, NAME)
    tree = plan_sweeps((definition(),), storage).tree
    node = tree.nodes[-1]
    inside = node.training.chain.name(node.training.start + 2)
    remove_state(storage, node.name)
    assert trained_states(storage, NAME) == before[:-1]
    mark = read_mark(storage, node.parent or "").model_copy(update={"name": inside, "step": 8})
    write_mark(storage, inside, mark)
    assert trained_states(storage, NAME) == [*before[:-1], inside]


def test_tokens_cost_nothing_before_the_first_is_trained(tmp_path: Path) -> None:
    storage, file = Storage(tmp_path), tmp_path / "prices.yaml"
    file.write_text("source: x\ndate: y\nmachines: {a: {dollars_per_hour: 3600}}\n")
    store_prices(storage, NAME, file)
    assert dollars_for(storage, NAME, 1e9) == 0


A, B, C = ("000000004-" + c * 40 for c in "abc")


def test_states_before_a_state_count_once_and_merges_not(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    late = [n.replace("4-", "8-") for n in (B, C)]
    for mark in (
        state_mark(A, seconds=3600.0),
        *(state_mark(n, seconds=1800.0, previous=A, previous_step=4, step=8) for n in late),
    ):
        write_mark(storage, mark.name, mark)
    found = marks_along(storage, late)
    assert sorted(found) == sorted([A, *late])
    bill = bill_so_far(found.values(), prices(a={"dollars_per_hour": 1}))
    assert bill.priced.worker_hours == 2
    assert bill.without_device == 3
    assert "the device of 3 of them was not noted" in bill_text(bill)


def test_devices_without_a_price_are_told_and_spot_has_its_own() -> None:
    spot = {"dollars_per_hour": 1, "interruptions_per_hour": 0.1}
    told = prices(a={"dollars_per_hour": 4, "device": "H100", "workers": 2, "spot": spot})
    facts = [("NVIDIA H100", 2, 3600.0), ("NVIDIA A100", 1, 1800.0)]
    bill = bill_so_far(
        [
            state_mark(A, seconds=s, world_size=n, machine=MachineFacts(device=device, hosts=1))
            for device, n, s in facts
        ],
        told,
    )
    assert (bill.priced.worker_hours, bill.priced.dollars, bill.spot_dollars) == (2, 4, 1)
    assert bill.unpriced == {"NVIDIA A100": 0.5}
    assert bill_text(bill) == (
        "2 worker-hours, $4.00 ($1.00 as spot), led to the 2 states that are stored; "
        "0.5 more on NVIDIA A100 have no price"
    )
    one = bill_so_far([state_mark(A, seconds=3600.0)], prices(a={"dollars_per_hour": 4}))
    assert bill_text(one).startswith("1 worker-hours, $4.00, led to the one state that is stored")


def test_another_number_of_workers_on_the_way_is_counted_as_it_was() -> None:
    mark = state_mark(A, seconds=100.0, world_size=4)
    assert mark.worker_time == 400
    assert mark.model_copy(update={"worker_seconds": 250.0}).worker_time == 250


def test_what_is_printed(storage: Storage) -> None:
    plan = plan_sweeps((definition(),), storage)
    told = prices(known={"dollars_per_hour": 1}, unknown={"dollars_per_hour": 1, "device": "H100"})
    # Two kinds: only a named device finds what was measured, and neither is this processor.
    found = priced_plan(plan, storage, told)
    out = io.StringIO()
    print_estimates(found, told, Console(file=out, width=100))
    assert "Prices: made up, today." in out.getvalue()
    assert "known: no hours and no dollars" in out.getvalue()
    spot = {"dollars_per_hour": 1, "interruptions_per_hour": 3600, "restart": "1 week"}
    kind = {"dollars_per_hour": 1, "tokens_per_second": 1e-6, "device": "none", "spot": spot}
    fresh = priced_plan(plan.with_states(()), None, prices(a=kind), 2)
    print_estimates(fresh, told, Console(file=out, width=100))
    assert "no end" in out.getvalue()
    assert "2 workers kept" in out.getvalue()
    assert estimates_data(fresh)[0]["spot"]["waste"]["dollars"] is None
