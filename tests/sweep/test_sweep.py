"""A tree on a real Ray: each node is trained once, through failures and kills."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.storage import Storage
from raycl.sweep.events import SweepEvent
from raycl.sweep.tracking.runs import Runs
from raycl.sweep.tracking.sender import Sender
from raycl.watch.live_record import find_live
from tests.helpers import fake_loops, fakes
from tests.helpers.pipeline import prepared_storage
from tests.helpers.scraped import scraped_until
from tests.helpers.tracked import Heard


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return prepared_storage(tmp_path / "storage")


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
    links = [*fakes.SEVEN, ("h", "c", 2), ("i", "h", 1), ("j", "i", 1)]
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

    tree = fakes.make_tree(fakes.SEVEN)
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
