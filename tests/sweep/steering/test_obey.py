"""What a running sweep makes of requests: its frontier, and what it tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from raycl.storage import Storage, layout
from raycl.sweep.frontier import Frontier
from raycl.sweep.steering.lookout import Look, Lookout
from raycl.sweep.steering.obey import Steering
from raycl.sweep.steering.record import Action, Request, find_failure, write_failure, write_request
from tests.helpers import fakes

SPEC = [("a", None, 1), ("b", "a", 1), ("c", None, 1)]


def request(node: str, action: Action, minute: int = 0, note: str = "") -> Request:
    at = datetime(2026, 5, 4, 12, minute, tzinfo=UTC)
    return Request(node=node, action=action, by="anna@laptop", at=at, note=note)


@dataclass
class Looks:
    """A lookout whose looks the test makes."""

    failed: frozenset[str] = frozenset()
    newest: Look | None = None
    asked: int = 0
    works: list[Any] = field(default_factory=list)

    def ask(self) -> int:
        self.asked += 1
        return self.asked

    def later(self, work: Any) -> None:
        self.works.append(work)

    def see(self, *requests: Request, number: int | None = None) -> None:
        number = self.asked if number is None else number
        self.newest = Look(number, {each.node: each for each in requests})


class Sweep:
    """A frontier that is steered."""

    def __init__(self) -> None:
        self.frontier, self.looks = Frontier(fakes.make_tree(SPEC).nodes), Looks()
        self.forgotten: list[str] = []
        self.steering = Steering(self.frontier, self.looks, self.forgotten.append)  # type: ignore[arg-type]

    def hears(self, *requests: Request, number: int | None = None) -> list[tuple[str, str]]:
        self.looks.see(*requests, number=number)
        return [(heard.kind, heard.node) for heard in self.steering.obey()]

    def starts(self) -> list[str]:
        found = []
        while (node := self.frontier.next()) is not None:
            found.append(node.name)
        return found


def test_a_paused_node_waits_and_goes_on() -> None:
    sweep = Sweep()
    assert sweep.hears(request("a", "pause")) == [("paused", "a")]
    assert sweep.starts() == ["c"]
    sweep.frontier.complete("c")
    assert sweep.frontier.has_work
    assert sweep.hears(request("a", "pause")) == []
    assert sweep.hears(request("a", "resume", 1)) == [("resumed", "a")]
    assert sweep.starts() == ["a"]


def test_a_sweep_ends_without_a_stopped_node() -> None:
    sweep = Sweep()
    assert sweep.hears(request("a", "stop")) == [("stopped", "a")]
    assert sweep.starts() == ["c"]
    sweep.frontier.complete("c")
    assert not sweep.frontier.has_work
    assert sweep.hears(request("a", "pause", 1)) == [("paused", "a")]
    assert sweep.frontier.has_work  # from now on it waits
    assert sweep.starts() == []
    assert sweep.hears(request("a", "stop", 2)) == [("stopped", "a")]
    assert not sweep.frontier.has_work


def test_what_is_told_says_who_when_and_how_to_take_it_back() -> None:
    sweep = Sweep()
    sweep.frontier.next()
    sweep.looks.see(request("a", "pause", note="GPUs are needed"))
    (heard,) = sweep.steering.obey()
    assert heard.reason.startswith("by anna@laptop at 2026-05-04 ")
    assert heard.reason.endswith(
        "(GPUs are needed); it saves its state and leaves. `raycl resume a` lets it go on"
    )


def test_a_record_that_is_removed_lets_its_node_go() -> None:
    sweep = Sweep()
    sweep.hears(request("a", "pause"), request("c", "resume"))
    assert sweep.hears() == [("resumed", "a")]
    assert sweep.starts() == ["a", "c"]


def test_an_old_request_for_a_node_is_no_news_but_ends_early_stopping() -> None:
    sweep = Sweep()
    sweep.frontier.freeze("a")
    sweep.frontier.freeze("c")
    assert sweep.hears(request("a", "resume")) == []
    assert sweep.starts() == ["a"]
    assert sweep.frontier.frozen == {"c"}


def test_a_look_keeps_a_node_that_early_stopping_has_let_go() -> None:
    sweep = Sweep()
    sweep.hears(request("a", "pause"))
    sweep.frontier.resume("a")
    assert sweep.hears(request("a", "pause")) == []
    assert sweep.starts() == ["c"]


def test_a_node_that_was_left_waits_for_a_look_that_began_afterwards() -> None:
    sweep = Sweep()
    assert sweep.hears() == []
    assert sweep.starts() == ["a", "c"]
    sweep.steering.left("a")  # its trial knew of a pause before the sweep did
    assert sweep.hears(number=0) == []
    assert sweep.starts() == []
    assert sweep.hears(request("a", "pause"), number=1) == [("paused", "a")]
    assert sweep.starts() == []


def test_a_resume_right_after_a_pause_loses_no_node() -> None:
    for seen_before in ([], [request("a", "pause")]):
        for seen_after in ([], [request("a", "resume", 1)]):
            sweep = Sweep()
            sweep.hears()
            sweep.starts()
            sweep.hears(*seen_before)
            sweep.hears(*seen_after)  # before the trial has left, as it still does
            sweep.steering.left("a")
            assert sweep.starts() == []
            sweep.hears(*seen_after)
            assert sweep.starts() == ["a"]


def test_a_failed_node_is_tried_again_with_all_below_it() -> None:
    sweep = Sweep()
    sweep.hears(request("a", "retry"))  # of another time
    sweep.starts()
    assert sweep.frontier.fail("a", "it broke") == ("b",)
    assert sweep.hears(request("a", "retry")) == []
    assert sweep.starts() == []
    assert sweep.hears(request("a", "retry", 1)) == [("retried", "a")]
    assert sweep.forgotten == ["a"]
    assert (sweep.frontier.failed, sweep.frontier.skipped) == ({}, [])
    assert sweep.starts() == ["a"]
    sweep.frontier.complete("a")
    assert sweep.starts() == ["b"]  # once, although it was skipped before


def test_requests_for_nodes_of_other_sweeps_and_done_ones_are_passed_over() -> None:
    sweep = Sweep()
    sweep.starts()
    sweep.frontier.complete("a")
    assert sweep.hears(request("a", "stop"), request("z", "pause")) == []
    assert sweep.starts() == ["b"]


def test_failures_are_recorded_until_the_node_is_done(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    write_failure(storage, "c", "it broke last time")
    with Lookout(storage) as lookout:
        steering = Steering(Frontier(fakes.make_tree(SPEC).nodes), lookout)
        steering.failed("a", "it broke")
        steering.finished("c")
    failure = find_failure(storage, "a")
    assert failure is not None
    assert failure.reason == "it broke"
    assert find_failure(storage, "c") is None


def test_the_record_of_a_finished_node_goes(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    write_request(storage, "a", "pause")
    with Lookout(storage) as lookout:
        frontier = Frontier(fakes.make_tree(SPEC).nodes)
        steering = Steering(frontier, lookout)
        steering.obey()
        frontier.resume("a")
        assert frontier.next() is not None
        frontier.complete("a")
        steering.finished("a")
    assert storage.list(layout.STEERING) == []
