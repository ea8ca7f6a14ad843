"""What a trial reports of a node that somebody has paused, and how that is booked; without Ray."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from raycl.cluster.worker_needs import WorkerNeeds
from raycl.plan.training import Training
from raycl.storage import Storage, layout
from raycl.sweep import preemption, trial
from raycl.sweep.events import SweepEvent
from raycl.sweep.frontier import Frontier
from raycl.sweep.node_trainings import NodeTrainings
from raycl.sweep.orders import News
from raycl.sweep.steering.leaving import LeaveWatch
from raycl.sweep.steering.lookout import Lookout
from raycl.sweep.steering.obey import Steering
from raycl.sweep.steering.record import write_request
from raycl.sweep.trial import TrialTask, run_trial
from raycl.sweep.tune_callback import Progress
from raycl.sweep.verify import verify_storage
from raycl.sweep.worker_group import WorkerGroup
from raycl.train.interruption import Interrupted
from tests.helpers import fakes

Asked = Callable[[], bool]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def reports(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, loop: Callable[[Asked], None]
) -> list[dict[str, Any]]:
    """What the trial of the node `a` reports, whose training is `loop`."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("raycl.sweep.trial.tune.report", told.append)
    monkeypatch.setattr(preemption, "is_preempted", lambda: lambda: False)

    def train(_: Training, __: Storage, ___: Any, ____: Any, asked: Asked) -> None:
        loop(asked)

    (node,) = fakes.make_tree([("a", None, 1)]).nodes
    task = TrialTask(storage, WorkerNeeds(), None, train)
    run_trial({"node": "a", "place": 0, "again": False}, NodeTrainings([node]), task)
    return told


def leave_if(asked: Asked) -> None:
    if asked():
        raise Interrupted("saved after step 3 to make room")


def test_a_node_that_is_paused_already_is_not_begun(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_request(storage, "a", "pause")
    begun: list[Asked] = []
    assert reports(storage, monkeypatch, begun.append) == [{"left": True}]
    assert begun == []


def test_a_node_that_is_stopped_meanwhile_is_left(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "LeaveWatch", partial(LeaveWatch, seconds=0.01))

    def loop(asked: Asked) -> None:
        leave_if(asked)
        write_request(storage, "a", "stop")
        while True:
            leave_if(asked)

    assert reports(storage, monkeypatch, loop) == [{"left": True}]


def test_a_node_that_ends_before_it_hears_of_a_pause_is_finished(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loop(_: Asked) -> None:
        write_request(storage, "a", "pause")

    assert reports(storage, monkeypatch, loop) == []


def test_a_machine_that_is_taken_away_is_no_pause(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loop(_: Asked) -> None:
        raise Interrupted("saved after step 3 to make room")

    with pytest.raises(Interrupted):
        reports(storage, monkeypatch, loop)


class Given:
    """Claims that note what is given back."""

    def __init__(self) -> None:
        self.back: list[str] = []

    def ask(self, _: str) -> Any:
        return "ours"

    def give_back(self, node: str) -> None:
        self.back.append(node)


def test_a_node_that_was_left_waits_without_a_failure_and_without_its_lease(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_request(storage, "a", "pause")
    nodes, claims, told = fakes.make_tree([("a", None, 1)]).nodes, Given(), list[SweepEvent]()
    died = RuntimeError("its process died")
    monkeypatch.setattr("raycl.sweep.tune_callback.trial_error", lambda _: died)
    for dies in (False, True):
        frontier, lookout = Frontier(nodes, claims=claims), Lookout(storage)
        steering = Steering(frontier, lookout)
        progress = Progress(
            frontier, {"a": nodes[0]}, told.append, lambda _: True, steering=steering
        )
        frontier.next()
        ended = SimpleNamespace(config={"node": "a"}, last_result={"left": True})
        if dies:
            frontier.pause("a")
            progress.on_trial_error(1, [], ended)
        else:
            progress.on_trial_complete(1, [], ended)
        assert (frontier.next(), frontier.failed) == (None, {})
        assert frontier.has_work
        lookout.look()
        progress.obey()
        progress.tell_waiting()  # it says nothing of a node that nobody else trains
    assert claims.back == ["a", "a"]
    assert [event.kind for event in told] == ["left", "paused", "retried", "paused"]


def test_what_people_ask_is_told_as_a_sentence() -> None:
    event = SweepEvent("paused", "a", "german 0–4 (x)", reason="by anna@laptop at 14:05; it waits")
    assert str(event) == "german 0–4 (x): paused by anna@laptop at 14:05; it waits"


def test_a_group_whose_workers_have_not_started_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from raycl.sweep import worker

    done: list[str] = []
    for waiting, ends, again, expected in (
        (True, False, True, "abandon"),
        (False, True, True, "abandon"),
        (False, False, True, "keep"),
        (False, False, False, "end"),
    ):
        news = News((), True, False, waiting, left=True)
        group = SimpleNamespace(
            train=lambda *_, news=news: news,
            abandon=lambda: done.append("abandon"),
            end=lambda: done.append("end"),
        )
        kept = SimpleNamespace(
            take=lambda _, group=group: cast(WorkerGroup, group),
            keep=lambda _: done.append("keep"),
        )
        monkeypatch.setattr(worker, "_kept", kept)
        anything: Any = SimpleNamespace(tell=None, sweep_ends=ends)
        assert not worker.train_with_workers(anything, anything, anything, anything, again)
        assert done.pop() == expected


def test_damaged_records_are_found(storage: Storage) -> None:
    write_request(storage, "a", "pause")
    assert verify_storage(storage).damaged == ()
    storage.write_bytes(layout.steering("a"), b"{")
    storage.write_bytes(layout.failure("a"), b"{")
    damaged = verify_storage(storage).damaged
    assert [text.partition(": ")[0].rpartition("/")[2] for text in damaged] == ["a.json", "a.json"]
