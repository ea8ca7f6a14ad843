"""A sweep that a signal stops: it waits for its nodes to save, and says what they have saved."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.storage import Storage
from raycl.sweep import tune_callback
from raycl.sweep.ending import Ending, save_seconds
from raycl.sweep.events import SweepEvent
from raycl.sweep.frontier import Frontier
from raycl.sweep.steering.leaving import LeaveWatch
from raycl.sweep.steering.lookout import Lookout
from raycl.sweep.steering.obey import Steering
from raycl.sweep.steering.record import write_request
from raycl.sweep.tune_callback import Progress, Stopped
from tests.helpers import fakes
from tests.helpers.waiting import wait_until

TREE = fakes.make_tree([("a", None, 1), ("b", None, 1), ("c", None, 1), ("d", None, 1)])
NODES = {node.name: node for node in TREE.nodes}


class Order:
    """An order that counts how often it is given."""

    def __init__(self) -> None:
        self.given = 0

    def give(self) -> None:
        self.given += 1

    def is_given(self) -> bool:
        return self.given > 0


class Sweep:
    """A sweep of four nodes, all of them under way, that was stopped."""

    def __init__(self, storage: Storage, seconds: float) -> None:
        self.told: list[SweepEvent] = []
        self.order = Order()
        frontier = Frontier(TREE.nodes)
        for _ in NODES:
            frontier.next()
        steering = Steering(frontier, Lookout(storage))
        self.progress = Progress(frontier, NODES, self.told.append, steering=steering)
        order: Any = self.order
        self.progress.ending = Ending(order, seconds)
        self.trials = [
            SimpleNamespace(config={"node": name}, trial_id=name, status="RUNNING", last_result={})
            for name in NODES
        ]
        self.progress.ending.begin(signal.SIGTERM)

    def leave(self, trial: Any, saved: int) -> None:
        self.progress.on_trial_result(1, [], trial, {"saved": saved})
        trial.status, trial.last_result = "TERMINATED", {"left": True}
        self.progress.on_trial_complete(1, [], trial)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(tune_callback, "kill_trial", lambda trial: names.append(trial.trial_id))
    return names


def test_it_waits_for_every_node_and_names_the_steps(storage: Storage, killed: list[str]) -> None:
    sweep = Sweep(storage, 1e6)
    for number, trial in enumerate(sweep.trials):
        sweep.progress.on_step_begin(1, sweep.trials)
        assert not killed
        sweep.leave(trial, number + 5)
    with pytest.raises(Stopped) as stopped:
        sweep.progress.on_step_begin(1, sweep.trials)
    assert (stopped.value.unsaved, sweep.order.given) == (frozenset(), 1)
    assert "each of the 4 running nodes saves" in str(sweep.told[0])
    assert [event.kind for event in sweep.told[1:]] == ["left"] * 4
    raised = sweep.progress.interruption(stopped.value.unsaved)
    assert raised.code == 143
    text = str(raised)
    assert [f"at step {step}" in text for step in (5, 6, 7, 8)] == [True, True, True, False]
    assert text.startswith("Saved: ")
    assert text.endswith("; and 1 more.")


def test_what_has_not_saved_in_time_is_ended_and_named(storage: Storage, killed: list[str]) -> None:
    sweep = Sweep(storage, 1e6)
    sweep.progress.on_step_begin(1, sweep.trials)
    for trial in sweep.trials[1:]:
        sweep.leave(trial, 5)
    sweep.progress.ending = ending = Ending(seconds=-1)
    ending.begin(signal.SIGINT)
    with pytest.raises(Stopped) as stopped:
        sweep.progress.on_step_begin(1, sweep.trials)
    name = sweep.trials[0].trial_id
    assert name in killed
    assert stopped.value.unsaved == {name}
    raised = sweep.progress.interruption(stopped.value.unsaved)
    assert raised.code == 130
    assert str(raised).startswith("Ended after -1 s, without word that it has saved; it goes on")


def test_nodes_have_time_to_save_where_the_order_comes_late() -> None:
    now = [0.0]
    ending = Ending(seconds=8, clock=lambda: now[0])
    ending.begin(signal.SIGINT)
    now[0] = 30.0  # so long Tune's loop was busy
    ending.give_order()
    assert not ending.is_late
    now[0] += 3.5
    assert ending.is_late


def test_the_time_to_save_may_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAYCL_STOP_SECONDS", raising=False)
    assert save_seconds() == 8
    monkeypatch.setenv("RAYCL_STOP_SECONDS", "120")
    assert save_seconds() == 120
    for text in ("two minutes", "-1", "nan", "inf"):
        monkeypatch.setenv("RAYCL_STOP_SECONDS", text)
        with pytest.raises(InputError, match=r"RAYCL_STOP_SECONDS: .* is no number of seconds"):
            save_seconds()


def test_a_trial_hears_that_its_sweep_ends_and_nobody_takes_it_back(storage: Storage) -> None:
    order: Any = Order()
    told: list[bool] = []
    with LeaveWatch(storage, "a", seconds=0.01, stop=order) as watch:
        watch.tell(told.append)
        assert not watch.asked()
        order.give()
        wait_until(watch.asked, "the end of the sweep is known")
        write_request(storage, "a", "pause")
        write_request(storage, "a", "resume")
        assert watch.asked()
    assert watch.sweep_ends
    assert set(told) == {True}
