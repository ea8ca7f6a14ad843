"""What becomes of a node whose trial ends: done, tried again, or failed with a reason."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raycl.storage import Storage
from raycl.sweep.events import SweepEvent
from raycl.sweep.frontier import Frontier
from raycl.sweep.retry_policy import NodeFailures
from tests.helpers import fakes


class Booked:
    """A tree's callback, with what it tells and a frontier in which a node runs."""

    def __init__(self, try_again: bool = False) -> None:
        from raycl.sweep.tune_callback import Progress

        tree = fakes.make_tree(fakes.SEVEN[:2])
        self.frontier = Frontier(tree.nodes)
        self.told: list[SweepEvent] = []
        nodes = {node.name: node for node in tree.nodes}
        self.callback = Progress(
            self.frontier, nodes, self.told.append, try_again=lambda _: try_again
        )
        self.frontier.next()

    def end(self, raised: Exception | None = None, **result: Any) -> list[tuple[str, str, Any]]:
        """The node's trial ends; kind, reason and skipped nodes of what is told."""
        trial = SimpleNamespace(config={"node": "a"}, last_result=result, pickled_error_file=None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("raycl.sweep.tune_callback.trial_error", lambda _: raised)
            end = self.callback.on_trial_error if raised else self.callback.on_trial_complete
            end(1, [trial], trial)
        return [(event.kind, event.reason, event.skipped) for event in self.told]


def test_the_end_of_a_trial_is_booked_once() -> None:
    done = Booked()
    assert done.end(step=3) == [("finished", "", ())]
    assert (done.frontier.finished, list(done.frontier.waiting)) == (["a"], ["b"])
    lost = Booked()
    assert lost.end(ValueError("it broke")) == [("failed", "it broke", ("b",))]
    assert (lost.frontier.failed, lost.frontier.skipped) == ({"a": "it broke"}, ["b"])
    bad = Booked(try_again=True)  # which holds for errors, and not for bad input
    assert bad.end(input_error="shard 7") == [("failed", "shard 7", ("b",))]
    assert bad.frontier.failed == {"a": "shard 7"}
    for waits, kind, reason in (
        (Booked(try_again=True), "retried", "it broke"),
        (Booked(), "waiting", "another sweep trains it"),
    ):
        told = waits.end(ValueError(reason)) if kind == "retried" else waits.end(elsewhere=True)
        assert told == [(kind, reason, ())]
        assert list(waits.frontier.waiting) == ["b", "a"]
        assert not waits.frontier.running
        assert not waits.frontier.failed


def test_a_worker_that_the_kernel_ended_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.exceptions import ActorDiedError, OutOfMemoryError

    kills = iter([3, 3, 4])
    monkeypatch.setattr("raycl.sweep.tune_callback.memory_kills", lambda: next(kills))
    died = Booked(try_again=True)
    ((_, reason, _),) = died.end(ActorDiedError())
    assert reason == "its process died"
    died.frontier.next()
    reason = died.end(ActorDiedError())[-1][1]
    assert reason.startswith("out of memory: each of its workers needs ")
    assert "--concurrent 1" in reason
    monkeypatch.undo()
    low = OutOfMemoryError("low")  # type: ignore[no-untyped-call]  # Ray has no types here
    ((_, reason, _),) = Booked().end(low)
    assert reason.startswith("out of memory")


def test_a_worker_of_a_group_that_died_is_the_reason_and_not_who_missed_it() -> None:
    from ray.exceptions import ActorDiedError, OutOfMemoryError
    from ray.train import WorkerGroupError
    from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

    missed = RuntimeError("Connection closed by peer")
    low = OutOfMemoryError("low")  # type: ignore[no-untyped-call]
    for cause, reason in ((ActorDiedError(), "its process died"), (low, "out of memory")):
        found = WorkerHealthCheckFailedError("A worker died", cause)
        ((_, told, _),) = Booked().end(WorkerGroupError("workers failed", {0: missed, 1: found}))
        assert told.startswith(reason)
    ((_, told, _),) = Booked().end(WorkerGroupError("workers failed", {0: missed}))
    assert told == "Connection closed by peer"


def test_a_node_is_tried_again_while_it_gets_further(tmp_path: Path) -> None:
    storage, tree = Storage(tmp_path), fakes.make_tree([("a", None, 1)], steps=20)
    failures = NodeFailures({"a": tree.nodes[0]}, storage, most=2)
    assert [failures.try_again("a") for _ in range(2)] == [True, True]
    chain = tree.nodes[0].training.chain
    for step in (4, 8, 12):
        storage.write_json(f"states/{chain.name(step)}/state.json", {})
        assert [failures.try_again("a") for _ in range(2)] == [True, True]
    assert not failures.try_again("a")
