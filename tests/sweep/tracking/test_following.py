"""What Tune reports reaches the trackers: runs by name, each number once, ends as they were."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from raycl.sweep.tracking import sender as sender_module
from raycl.sweep.tracking.following import Following
from raycl.sweep.tracking.runs import run_name
from raycl.sweep.tracking.sender import Sender, close_all, reason
from raycl.sweep.trial import INPUT_ERROR, LEFT
from tests.helpers.tracked import RUN, Heard, nodes, runs, trial
from tests.helpers.waiting import wait_until

SHARED, FIRST, SECOND = (node.name for node in nodes())


def test_a_run_is_called_by_stage_steps_and_recipes() -> None:
    shared, first, _ = (runs().of(node.name) for node in nodes())
    assert shared is not None
    assert first is not None
    assert shared.name == "english-0-4-replay-5pct-and-1-more.aaaaaa"
    assert first.name == "german-new-4-8-replay-5pct.bbbbbb"
    assert (first.parent, first.parent_state) == (shared.name, shared.state)
    assert shared.fields == {"max_lr": 1e-3}  # the recipes differ in the other one
    assert first.fields == {"german.replay": 0.05, "max_lr": 1e-3}
    assert runs().of("unknown") is None


@pytest.mark.parametrize("label", ["a/../b", "x" * 500, "größe 5%\n", "C:\\x", ""])
def test_the_name_of_a_run_can_be_a_file_s(label: str) -> None:
    name = run_name(nodes()[1], label)
    assert not set(name) & set('/\\:*?"<>|\n ')
    assert len(name) < 120


def followed(tracker: Heard) -> tuple[Following, Sender]:
    sender = Sender("mine", tracker, waits=())
    return Following(runs(), lambda _: (sender,)), sender


def test_each_number_is_told_once_under_its_own_name() -> None:
    heard = Heard()
    following, sender = followed(heard)
    report = {"step": 5, "loss": 3.0, "validation/old": 2.0, "training_iteration": 9, "rows/old": 7}
    for result in ({"step": 4}, report, report, {**report, "step": 6}):
        following.on_trial_result(0, [], trial(FIRST), result)
    following.on_trial_complete(0, [], trial(FIRST))
    sender.close()
    name = "german-new-4-8-replay-5pct.bbbbbb"
    numbers = {"loss": 3.0, "validation/old": 2.0}
    assert heard.told == [
        ("begin", name),
        ("log", name, 5, numbers),
        ("log", name, 6, numbers),
        ("end", name, "finished"),
        ("close",),
    ]


@pytest.mark.parametrize(
    ("result", "how"), [({LEFT: True}, "stopped"), ({INPUT_ERROR: "no rows"}, "failed")]
)
def test_a_run_ends_as_its_node_does(result: dict[str, Any], how: str) -> None:
    heard = Heard()
    following, sender = followed(heard)
    following.on_trial_result(0, [], trial(FIRST), {"step": 5, "loss": 3.0})
    following.on_trial_complete(0, [], trial(FIRST, **result))
    following.on_trial_result(0, [], trial(FIRST), {"step": 5, "loss": 3.0})  # tried again
    following.on_trial_error(0, [], trial(FIRST))
    following.on_trial_error(0, [], trial(SECOND))  # before its first numbers
    following.on_trial_result(0, [], trial(SHARED), {"step": 1, "loss": 3.0})
    following.close()  # the sweep is stopped
    sender.close()
    assert [told[2] for told in heard.told if told[0] == "end"] == [
        how,
        "failed",
        "failed",
        "stopped",
    ]
    assert [told[0] for told in heard.told].count("begin") == 4


def test_a_tracker_that_fails_is_told_once_and_gets_the_rest() -> None:
    heard = Heard(failing=2)
    sender = Sender("mine", heard, waits=(0.0, 0.0))
    for step in range(3):
        sender.log(RUN, step, {"loss": 1.0})
    sender.close()
    assert [told[2] for told in heard.told if told[0] == "log"] == [0, 1, 2]
    (sentence,) = sender.news()
    assert sentence == (
        "tracker mine: ConnectionError: https://tracker.example is down. It is tried again; "
        "training goes on"
    )


def test_a_tracker_that_hangs_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "MOST_WAITING", 3)
    gate = threading.Event()
    sender = Sender("mine", Heard(gate=gate), close_seconds=0.05)
    for step in range(10):
        sender.log(RUN, step, {"loss": 1.0})
    sender.close()
    assert "were not sent" in sender.news()[0]
    gate.set()


def test_one_that_hangs_takes_no_time_of_the_others() -> None:
    gate, heard = threading.Event(), Heard()
    senders = [Sender("hangs", Heard(gate=gate)), Sender("mine", heard)]
    for sender in senders:
        sender.log(RUN, 1, {"loss": 1.0})
    close_all(senders, 0.05)  # CLOSE_SECONDS of each would be told by the test's duration
    wait_until(lambda: len(heard.told) >= 2, "the other one has sent")
    assert "were not sent" in senders[0].news()[0]
    gate.set()


def test_reasons_hold_no_secrets() -> None:
    error = ValueError("401 for key abcdef123 at http://user:pw@host/x\nbody")
    assert reason(error, {"WANDB_API_KEY": "abcdef123", "PATH": "key"}) == (
        "ValueError: 401 for key … at http://host/x"
    )
