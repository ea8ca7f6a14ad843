"""Walking the tree: the order of nodes, and on a real Ray failures, kills and interrupts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from raycl.errors import InputError
from raycl.storage import Storage
from raycl.sweep.events import SweepEvent
from raycl.sweep.frontier import Frontier
from raycl.sweep.retry_policy import NodeFailures
from raycl.sweep.tracking.runs import Runs
from raycl.sweep.tracking.sender import Sender
from raycl.watch.live_record import find_live
from tests.helpers import fake_loops, fakes
from tests.helpers.paths import ROOT
from tests.helpers.scraped import scraped_until
from tests.helpers.tracked import Heard

SEVEN = [
    ("a", None, 1),
    ("b", "a", 1),
    ("c", "a", 2),
    ("d", "b", 1),
    ("e", "b", 1),
    ("f", "c", 1),
    ("g", "d", 1),
]


def order(frontier: Frontier) -> list[str]:
    """Nodes as they start when each is done before the next is asked for."""
    names = []
    while (node := frontier.next()) is not None:
        names.append(node.name)
        frontier.complete(node.name)
    return names


def test_the_longest_way_comes_first() -> None:
    frontier = Frontier(fakes.make_tree(SEVEN).nodes)
    assert order(frontier) == ["a", "b", "c", "d", "e", "f", "g"]
    assert not frontier.waiting


def test_children_wait_for_their_parent() -> None:
    frontier = Frontier(fakes.make_tree(SEVEN).nodes)
    root = frontier.next()
    assert root is not None
    assert root.name == "a"
    assert frontier.next() is None
    frontier.complete("a")
    assert [node.name for node in (frontier.next(), frontier.next()) if node] == ["b", "c"]
    assert frontier.next() is None


def test_a_node_of_several_workers_is_not_made_to_wait_longer() -> None:
    tree = fakes.make_tree([("a", None, 1), ("two", None, 2), ("b", None, 1), ("c", None, 1)])
    takes = {"a": 9, "two": 5, "b": 4, "c": 3}
    frontier = Frontier(tree.nodes, slots=lambda: 2, time=lambda node: takes[node.name])
    assert frontier.next().name == "a"  # type: ignore[union-attr]
    for name in ("b", "c"):  # which end before `a` does
        assert frontier.next().name == name  # type: ignore[union-attr]
        assert frontier.next() is None
        frontier.complete(name)
    frontier.complete("a")
    assert frontier.next().name == "two"  # type: ignore[union-attr]
    assert frontier.next() is None


def test_nobody_overtakes_a_node_of_several_workers_for_longer() -> None:
    tree = fakes.make_tree([("a", None, 1), ("two", None, 2), ("b", None, 1)])
    takes = {"a": 9, "two": 9, "b": 10}
    frontier = Frontier(tree.nodes, slots=lambda: 2, time=lambda node: takes[node.name])
    assert frontier.next().name == "two"  # type: ignore[union-attr]
    frontier.complete("two")
    frontier = Frontier(tree.nodes[:2], slots=lambda: 2, time=lambda node: takes[node.name])
    frontier.pause("two")
    assert frontier.next().name == "a"  # type: ignore[union-attr]
    frontier.resume("two")
    frontier.add(tree.nodes)
    assert frontier.next() is None
    frontier.complete("a")
    assert frontier.next().name == "two"  # type: ignore[union-attr]


def test_a_node_larger_than_the_cluster_starts_alone() -> None:
    frontier = Frontier(fakes.make_tree([("a", None, 8)]).nodes, slots=lambda: 2)
    assert frontier.next() is not None


def test_no_more_run_at_once_than_asked_for() -> None:
    frontier = Frontier(fakes.make_tree([(n, None, 1) for n in "abc"]).nodes, concurrent=2)
    assert frontier.next() is not None
    assert frontier.next() is not None
    assert frontier.next() is None


def test_a_failure_takes_what_is_below_it_along() -> None:
    frontier = Frontier(fakes.make_tree(SEVEN).nodes)
    frontier.next()
    frontier.complete("a")
    assert {frontier.next().name, frontier.next().name} == {"b", "c"}  # type: ignore[union-attr]
    assert frontier.fail("b", "it broke") == ("d", "e", "g")
    frontier.complete("c")
    assert order(frontier) == ["f"]
    assert frontier.failed == {"b": "it broke"}
    assert frontier.skipped == ["d", "e", "g"]


def test_finished_nodes_are_never_suggested() -> None:
    frontier = Frontier(fakes.make_tree(SEVEN).nodes, finished=["a", "b", "d"])
    assert sorted(order(frontier)) == ["c", "e", "f", "g"]
    assert frontier.existing == ("a", "b", "d")


def test_tune_is_told_later_and_finished() -> None:
    from raycl.sweep.tune_searcher import NodeSearcher

    frontier = Frontier(fakes.make_tree(SEVEN[:2]).nodes)
    searcher = NodeSearcher(frontier)
    assert searcher.suggest("1") == {
        "node": "a",
        "place": 0,
        "title": "a-000000-000004-a",
        "workers": 1,
        "again": False,
    }
    assert searcher.suggest("2") is None
    frontier.complete("a")
    assert searcher.suggest("2")["node"] == "b"
    assert searcher.suggest("3") is None  # `b` may fail and wait again
    frontier.fail("b", "it broke")
    assert searcher.suggest("3") == "FINISHED"


class Booked:
    """A tree's callback, with what it tells and a frontier in which a node runs."""

    def __init__(self, try_again: bool = False) -> None:
        from raycl.sweep.tune_callback import Progress

        tree = fakes.make_tree(SEVEN[:2])
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


def test_an_elastic_node_takes_what_is_free() -> None:
    tree = fakes.make_tree([("a", None, 4), ("b", None, 1)])
    elastic = replace(tree.nodes[0], training=replace(tree.nodes[0].training, fewest_workers=2))
    for slots, taken, second in ((2, 2, False), (3, 3, False), (4, 4, False), (5, 4, True)):
        nodes = elastic, tree.nodes[1]
        frontier = Frontier(nodes, slots=partial(float, slots), time=lambda node: node.steps)
        assert frontier.next() is elastic
        assert frontier.running == {"a": taken}
        assert (frontier.next() is not None) is second


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path / "storage")
    for name in ("new", "old"):
        fakes.make_corpus(storage, name)
    return storage


def cpus() -> float:
    """CPUs of the cluster."""
    import ray

    resources: Any = ray.cluster_resources
    return float(resources()["CPU"])


def free_cpus() -> float:
    """CPUs of the cluster that nobody holds."""
    import ray

    resources: Any = ray.available_resources
    return float(resources().get("CPU", 0))


def assert_nothing_is_held() -> None:
    """Every CPU is free and no actor or placement group of ours is left."""
    from raycl.cluster.release import held_placement_groups, living_actors

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (
        free_cpus() != 2 or held_placement_groups() or living_actors()
    ):
        time.sleep(0.2)
    assert free_cpus() == cpus() == 2
    assert held_placement_groups() == []
    assert living_actors() == []


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_tree_is_trained_once_though_a_worker_dies(storage: Storage) -> None:
    from raycl.sweep.driver import TrialSettings, run_sweep
    from raycl.sweep.tracking.following import Following

    # The longest path goes on from `c` with as many workers, so that `h` comes right after it.
    links = [*SEVEN, ("h", "c", 2), ("i", "h", 1), ("j", "i", 1)]
    tree = fakes.make_tree(links)
    heard = Heard()
    sender = Sender("heard", heard)
    runs = Runs(lambda: tree.nodes, dict)
    events: list[SweepEvent] = []
    killer = start_killer(storage)  # of a worker of `c`, which has two
    outcome = run_sweep(
        tree,
        storage,
        on_event=events.append,
        trials=TrialSettings(
            sweeps=("monitored",),
            callbacks=(Following(runs, lambda _: (sender,)),),
            train=fake_loops.wait_to_be_killed,
        ),
    )
    killer.join()
    sender.close()
    assert sorted(outcome.finished) == list("abcdefghij")
    assert fake_loops.notes(storage, "trained") == ["a", "b", "c", "c1", *"defgh", "h1", "i", "j"]
    pids = fake_loops.processes(storage, "trained")
    assert pids["h"] == pids["c"]  # the workers of one node train the next one
    assert [event.node for event in events if event.kind == "finished"] == list(outcome.finished)
    assert [event.node for event in events if event.kind == "retried"] == ["c"]
    told = [(event.node, event.metrics["step"]) for event in events if event.kind == "metrics"]
    assert len(told) == len(set(told)) > 0  # each step of a node once
    live = {name: find_live(storage, name) for name in "abcdefghij"}
    assert {record.status for record in live.values() if record} == {"finished"}
    log = [line.kind for line in live["c"].log] if live["c"] else []
    assert log == ["started", "retried", "started", "finished"]
    assert_nothing_is_held()
    assert {told[1][0] for told in heard.told if told[0] == "log"} == set("abcdefghij")
    ends = [told[1:] for told in heard.told if told[0] == "end"]
    assert [(name[0], how) for name, how in ends if how != "finished"] == [("c", "failed")]
    exported = scraped_until("monitored", "raycl_nodes", "finished", 10)
    assert exported["raycl_nodes", "failed"] == exported["raycl_nodes", "waiting"] == 0
    assert any(name.startswith("raycl_storage_requests") for name, _ in exported)
    again = run_sweep(tree, storage, trials=TrialSettings(train=fake_loops.read_all))
    assert (again.finished, sorted(again.existing)) == ((), list("abcdefghij"))
    assert len(fake_loops.notes(storage, "begun")) == 12


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_killed_trial_is_tried_again(storage: Storage) -> None:
    from raycl.sweep.driver import TrialSettings, run_sweep

    tree = fakes.make_tree([("a", None, 1), ("c", "a", 1), ("d", "c", 1)])
    events: list[SweepEvent] = []
    killer = start_killer(storage)
    trials = TrialSettings(train=fake_loops.wait_to_be_killed)
    outcome = run_sweep(tree, storage, on_event=events.append, trials=trials)
    killer.join()
    assert outcome.finished == ("a", "c", "d")
    retried = [(event.node, event.reason) for event in events if event.kind == "retried"]
    assert retried == [("c", "its process died")]
    assert_nothing_is_held()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_ray_that_is_there_is_used_and_left_as_it_is(storage: Storage) -> None:
    from raycl.cluster.connect import cluster
    from raycl.cluster.options import ClusterOptions
    from raycl.sweep.driver import run_sweep

    with cluster(ClusterOptions(workers=7)):
        assert cpus() == 2
        with pytest.raises(InputError, match=r"can never hold more than 2: it has 2 CPU\."):
            run_sweep(fakes.make_tree([("a", None, 1), ("b", "a", 3)]), storage)
    assert cpus() == 2


def start_killer(storage: Storage) -> threading.Thread:
    """Send kill -9 to the first process that notes that it waits."""

    def kill() -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            for name in storage.list("notes"):
                if name.startswith("waiting-"):
                    storage.write_json("killed", name)
                    os.kill(storage.read_json(f"notes/{name}")["pid"], signal.SIGKILL)
                    return
            time.sleep(0.1)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_the_rest_of_the_tree_goes_on(storage: Storage) -> None:
    from raycl.sweep.driver import TrialSettings, run_sweep

    tree = fakes.make_tree(SEVEN)
    events: list[SweepEvent] = []
    trials = TrialSettings(max_failures=1, train=fake_loops.fail_in_b_and_c)
    outcome = run_sweep(tree, storage, on_event=events.append, trials=trials)
    assert outcome.finished == ("a",)
    assert outcome.failed["b"] == "FloatingPointError: the loss is NaN"
    assert outcome.failed["c"] == "shard 7: it is damaged. Restore it"
    assert sorted(outcome.skipped) == ["d", "e", "f", "g"]
    tried = fake_loops.notes(storage, "tried")
    assert tried == ["a", "b", "b", "c", "c1"]  # bad input is not tried again
    failed = {event.node: sorted(event.skipped) for event in events if event.kind == "failed"}
    assert failed == {"b": ["d", "e", "g"], "c": ["f"]}
    assert_nothing_is_held()


DRIVER = """
import sys
from tests.helpers import fake_loops, fakes
from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.storage import Storage
from raycl.sweep.driver import TrialSettings, run_sweep
try:
    with cluster(ClusterOptions(workers=3)):
        tree = fakes.make_tree([("a", None, 2), ("b", None, 1)])
        trials = TrialSettings(train=fake_loops.save_when_asked)
        run_sweep(tree, Storage(sys.argv[1]), trials=trials)
except KeyboardInterrupt as error:
    print(error)
"""


@pytest.mark.ray
def test_a_signal_to_the_whole_group_saves_every_node_and_leaves_nothing(storage: Storage) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, storage.url],
        # Nobody waits so long: the sweep ends when all have saved, on a busy machine a bit later.
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAYCL_STOP_SECONDS": "120"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while len(fake_loops.notes(storage, "waiting")) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    os.killpg(process.pid, signal.SIGTERM)  # both, as `timeout` does
    output, _ = process.communicate(timeout=120)
    assert re.fullmatch(
        r"Saved: [ab] \S+ \([ab]\) at step 7; [ab] \S+ \([ab]\) at step 7\.\n", output
    )
    assert fake_loops.notes(storage, "saved") == ["a", "a1", "b"]
    psutil.wait_procs(children, timeout=40)
    assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    assert not list(Path("/tmp").glob(f"raycl-{process.pid}-*"))
