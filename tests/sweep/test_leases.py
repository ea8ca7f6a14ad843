"""Who trains a node: one sweep at a time, taken over when it is gone, given back when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raycl.storage import Storage, layout
from raycl.sweep import lease_records
from raycl.sweep.claims import ASK_SECONDS, NodeClaims
from raycl.sweep.frontier import Frontier
from raycl.sweep.leases import Leases, leases_work
from tests.helpers import fake_loops, fakes
from tests.helpers.paths import ROOT
from tests.helpers.pipeline import prepared_storage


@pytest.fixture
def storage(new_storage: Callable[[], Storage]) -> Storage:
    return new_storage()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holders seem to be on other machines: only their beats tell whether they live."""
    machines: Iterator[str] = iter(f"machine-{number}" for number in range(1_000_000))
    monkeypatch.setattr(lease_records, "this_machine", lambda: next(machines))


class Clock:
    """A monotonic clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_of_many_holders_gets_a_node(storage: Storage) -> None:
    holders = [Leases(storage) for _ in range(6)]
    for holder in holders:
        holder.beat()
    got: dict[str, list[int]] = {f"node-{n}": [] for n in range(4)}

    def take(number: int) -> None:
        for node, winners in got.items():
            if holders[number].take(node):
                winners.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(len(holders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(winners) for winners in got.values()] == [1] * 4
    for node, (winner,) in got.items():
        assert holders[winner].take(node)  # again: it is ours already
        valid = [number for number, holder in enumerate(holders) if holder.claim(node).is_valid()]
        assert valid == [winner]


def test_given_back_at_the_end(storage: Storage) -> None:
    with Leases(storage) as first, Leases(storage) as second:
        assert first.take("a")
        assert first.take("b")
        first.release("a")
        assert second.take("a")
        first.release("a")  # no longer ours
        assert not first.take("a")
        assert not second.take("b")
    assert storage.sizes("leases") == {}


@pytest.mark.usefixtures("elsewhere")
def test_taken_over_when_the_beats_stop(storage: Storage) -> None:
    clock = Clock()
    gone, watcher = Leases(storage), Leases(storage, stale_seconds=60, clock=clock)
    gone.beat()
    watcher.beat()
    assert gone.take("node")
    for seconds in (0, 59):
        clock.now = seconds
        assert not watcher.take("node")
    gone.beat()
    clock.now = 61
    assert not watcher.take("node")  # alive: its beat has changed
    clock.now = 61 + 59
    assert not watcher.take("node")
    clock.now = 61 + 60
    assert watcher.take("node")
    assert not gone.claim("node").is_valid()
    gone.release("node")
    assert watcher.claim("node").is_valid()


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_wall_clock_that_jumps_is_not_looked_at(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    holder, watcher = Leases(storage), Leases(storage)
    holder.beat()
    assert holder.take("node")
    assert not watcher.take("node")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    holder.beat()
    assert not watcher.take("node")
    assert holder.claim("node").is_valid()


@pytest.mark.usefixtures("elsewhere")
def test_late_beats_are_noticed(storage: Storage) -> None:
    clock = Clock()
    holder = Leases(storage, stale_seconds=60, clock=clock)
    for now, doubtful in ((0, False), (50, False), (109, False), (170, True)):
        clock.now = now
        holder.beat()
        assert holder.doubtful is doubtful


@contextlib.contextmanager
def interrupted_with_two_nodes(storage: Storage) -> Iterator[None]:
    """A sweep has two nodes, the block runs, and Ctrl-C comes."""
    with contextlib.suppress(KeyboardInterrupt), Leases(storage) as leases:
        assert [leases.take(node) for node in "ab"] == [True, True]
        yield
        raise KeyboardInterrupt


def held_nodes(storage: Storage) -> list[str]:
    return [node for node in "ab" if storage.exists(layout.node_lease(node))]


def test_an_interrupted_sweep_gives_all_back_and_does_not_wait_for_a_store_that_is_gone(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with interrupted_with_two_nodes(storage):
        assert held_nodes(storage) == ["a", "b"]
    assert held_nodes(storage) == []
    tried: list[Storage] = []

    def gone(self: Storage, *_: str) -> bool:
        tried.append(self)
        raise OSError("gone")

    with interrupted_with_two_nodes(storage):
        monkeypatch.setattr(Storage, "delete_if", gone)
    assert held_nodes(storage) == ["a", "b"]
    assert len(tried) == 1
    assert tried[0].retries is not None
    assert tried[0].retries.within_seconds <= 1


def test_a_lease_that_is_none_names_nobody(storage: Storage) -> None:
    for number, content in enumerate((b"", b"[]", b'{"holder": "../../x"}', b"\xff")):
        storage.create(f"leases/nodes/{number}", content)
        assert Leases(storage).take(str(number))


HOLDER = """
import sys, time
from raycl.sweep import lease_records
from raycl.sweep.leases import Leases
from raycl.storage import Storage, layout
with Leases(Storage(sys.argv[1])) as leases:
    print(leases.take("node"), flush=True)
    time.sleep(300)
"""


def start_holder(storage: Storage) -> subprocess.Popen[str]:
    """A process that holds `node`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, storage.url], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_process_killed_on_this_machine_is_taken_over_at_once(storage: Storage) -> None:
    process, watcher = start_holder(storage), Leases(storage)
    assert not watcher.take("node")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert watcher.take("node")


def test_what_ignores_conditions_gives_no_leases(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leases_work(storage)
    assert storage.sizes("leases") == {}

    def create(_: Storage, path: str, data: bytes) -> str:
        storage.write_bytes(path, data)
        return "version"

    monkeypatch.setattr(Storage, "create", create)
    assert not leases_work(storage)


def test_a_sweeps_claims(storage: Storage) -> None:
    clock = Clock()
    with Leases(storage) as mine, Leases(storage) as theirs:
        claims = NodeClaims(storage, mine, clock)
        assert claims.ask("free") == "ours"
        assert theirs.take("node")
        assert claims.ask("node") == "theirs"
        storage.write_json("states/node/state.json", {})
        theirs.release("node")
        assert claims.ask("node") == "theirs"  # not asked again so soon
        clock.now = ASK_SECONDS
        assert claims.ask("node") == "done"
        assert theirs.take("node")  # and not kept
        claims.give_back("free")
        assert theirs.take("free")


class Told:
    """Claims as a test says."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.given_back: list[str] = []

    def ask(self, node: str) -> Any:
        return self.answers.get(node, "ours")

    def give_back(self, node: str) -> None:
        self.given_back.append(node)


def test_the_frontier_passes_over_what_others_train() -> None:
    tree = fakes.make_tree([("a", None, 1), ("b", "a", 1), ("c", "b", 1), ("d", None, 1)])
    claims = Told(a="theirs")
    frontier = Frontier(tree.nodes, claims=claims)
    node = frontier.next()
    assert node is not None
    assert node.name == "d"
    assert frontier.next() is None
    frontier.complete("d")
    claims.answers = {"a": "done", "b": "done"}
    node = frontier.next()
    assert node is not None
    assert node.name == "c"
    frontier.put_back("c")
    assert frontier.next() is node
    frontier.complete("c")
    assert (frontier.elsewhere, frontier.finished) == (["a", "b"], ["d", "c"])
    assert claims.given_back == ["d", "c"]
    assert not frontier.waiting


SWEEP = """
import sys
from tests.helpers import fake_loops, fakes
from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.storage import Storage, layout
from raycl.sweep.driver import TrialSettings, run_sweep
options = ClusterOptions(workers=1, concurrent=1)
with cluster(options):
    tree = fakes.make_tree([("a", None, 1), ("c", None, 1), ("d", "c", 1)])
    trials = TrialSettings(train=fake_loops.wait_to_be_killed)
    run_sweep(tree, Storage(sys.argv[1]), options, trials=trials)
"""


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_sweep_waits_for_another_and_takes_over_from_a_killed_one(tmp_path: Path) -> None:
    """Its driver is killed with -9 while it trains `c`; all of it is trained once."""
    from raycl.sweep.driver import TrialSettings, run_sweep

    storage = prepared_storage(tmp_path / "storage")
    other = subprocess.Popen(
        [sys.executable, "-c", SWEEP, storage.url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while not fake_loops.notes(storage, "waiting") and time.monotonic() < deadline:
        time.sleep(0.1)
    events: list[Any] = []

    def kill_when_waited_for(event: Any) -> None:
        events.append(event)
        if event.kind == "waiting":
            storage.write_json("killed", "the other sweep")
            os.killpg(other.pid, signal.SIGKILL)
            other.wait()

    tree = fakes.make_tree([("a", None, 1), ("c", None, 1), ("d", "c", 1), ("e", None, 1)])
    outcome = run_sweep(
        tree,
        storage,
        on_event=kill_when_waited_for,
        trials=TrialSettings(train=fake_loops.wait_to_be_killed),
    )
    assert [event.node for event in events if event.kind == "waiting"] == ["c"]
    assert sorted(outcome.finished) == ["a", "c", "d", "e"]
    assert fake_loops.notes(storage, "trained") == ["a", "c", "d", "e"]
    assert storage.list("leases/nodes") == []
