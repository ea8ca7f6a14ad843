"""Sweeps that share a cluster: what each says, sees and may use, without Ray."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.plan.tree import Node
from raycl.storage import Storage, layout
from raycl.storage.record import write_record
from raycl.sweep import queue_place
from raycl.sweep.events import SweepEvent
from raycl.sweep.frontier import Frontier
from raycl.sweep.leases import Leases
from raycl.sweep.queue_entrance import NoQueue
from raycl.sweep.queue_files import (
    Queue,
    beats,
    give_order,
    read_queue,
    read_quotas,
    set_quota,
)
from raycl.sweep.queue_place import Capacity, Place, view_of
from raycl.sweep.queue_records import QueueEntry, QueueOrder
from tests.helpers import fakes

ENTRY = QueueEntry(
    sweeps=("mine",),
    owner="anna",
    priority=0,
    share=1.0,
    cluster="session",
    device="CPU",
    capacity=4.0,
    growable=4.0,
    asked=1,
    running=(),
    waiting=(1,) * 9,
    served=0.0,
    since=0.0,
)


@pytest.fixture
def storage(new_storage: Callable[[], Storage]) -> Storage:
    return new_storage()


class Sweep:
    """A sweep of nodes without an edge in the queue; it looks at the others when it is told."""

    def __init__(self, stack: ExitStack, storage: Storage, name: str, **settings: Any) -> None:
        workers = settings.pop("workers", (1,) * 6)
        cpus, fewest = settings.pop("cpus", 4), settings.pop("fewest", None)
        self.told: list[SweepEvent] = []
        entry = ENTRY.model_copy(update={"sweeps": (name,), "owner": name, **settings})
        self.leases = stack.enter_context(Leases(storage))
        capacity = Capacity(lambda: float(cpus), cpus)
        self.place = Place(storage, self.leases, entry, capacity, self.told.append)
        tree = fakes.make_tree([(f"{name}{n}", None, w) for n, w in enumerate(workers)])
        nodes = [
            replace(node, training=replace(node.training, fewest_workers=fewest))
            for node in tree.nodes
        ]
        self.frontier = Frontier(nodes, slots=self.place.slots, is_shared=self.place.is_shared)
        stack.enter_context(self.place.following(self.frontier))

    def start_all(self) -> list[Node]:
        """Look, and start what may start."""
        self.place.refresh()
        started = []
        while (node := self.frontier.next()) is not None:
            started.append(node)
        self.place.refresh()
        return started


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(queue_place, "SHORTEST_SECONDS", 1000.0)  # only the test looks
    with ExitStack() as stack:
        yield stack


def test_alone_a_sweep_has_the_whole_cluster(stack: ExitStack, storage: Storage) -> None:
    alone = Sweep(stack, storage, "a", workers=(8,))
    assert not alone.place.is_shared()
    assert len(alone.start_all()) == 1  # larger than the cluster, which may grow


def test_two_sweeps_share_as_nodes_end(stack: ExitStack, storage: Storage) -> None:
    first = Sweep(stack, storage, "a")
    started = first.start_all()
    assert len(started) == 4
    second = Sweep(stack, storage, "b", since=1.0)
    assert second.start_all() == []  # there is no room: nothing that runs is ended for it
    for node in started[:2]:
        first.frontier.complete(node.name)
    assert first.start_all() == []
    assert len(second.start_all()) == 2
    assert (first.place.view.allotted, second.place.view.allotted) == (2, 2)
    assert first.start_all() == []


def test_an_elastic_node_takes_its_part_and_grows_no_further(
    stack: ExitStack, storage: Storage
) -> None:
    from raycl.sweep.trial import MOST
    from raycl.sweep.tune_searcher import NodeSearcher

    elastic = Sweep(stack, storage, "a", workers=(4, 4), fewest=1)
    with ExitStack() as meanwhile:
        other = Sweep(meanwhile, storage, "b", since=1.0)
        elastic.place.refresh()
        found = NodeSearcher(elastic.frontier).suggest("1")
        assert (found["node"], found["workers"], found[MOST]) == ("a0", 4, 2)
        elastic.place.refresh()
        assert len(other.start_all()) == 2  # what it has left
        assert NodeSearcher(elastic.frontier).suggest("2") is None
    elastic.frontier.complete("a0")
    elastic.place.refresh()
    found = NodeSearcher(elastic.frontier).suggest("2")
    assert found["node"] == "a1"
    assert MOST not in found  # alone again: Ray Train lets it grow as machines come


def test_of_two_that_see_one_free_worker_one_starts(stack: ExitStack, storage: Storage) -> None:
    sweeps = [Sweep(stack, storage, name, cpus=1, since=float(ord(name))) for name in "ba"]
    for sweep in sweeps:
        sweep.place.refresh()
    started = [sweep.frontier.next() for sweep in sweeps]
    assert [node is not None for node in started] == [False, True]
    for sweep in sweeps:
        sweep.place.refresh()
    sweeps[1].frontier.complete(started[1].name)  # type: ignore[union-attr]
    assert sweeps[1].start_all() == []  # the other's turn
    assert len(sweeps[0].start_all()) == 1


def test_waiting_is_told_once(stack: ExitStack, storage: Storage) -> None:
    first, second = Sweep(stack, storage, "a"), Sweep(stack, storage, "b", since=1.0)
    second.place.refresh()
    first.place.refresh()
    assert len(first.start_all()) == 2
    set_quota(storage, "b", 0)
    for _ in range(3):
        assert second.start_all() == []
    (event,) = second.told
    assert str(event) == (
        "b: waiting: 1 other sweeps use this cluster; it is number 1 of 2 in the queue, and b may "
        "use 0 workers at most. `raycl queue` shows them"
    )
    assert first.told == []


def test_a_quota_of_a_sweep_that_is_alone(stack: ExitStack, storage: Storage) -> None:
    set_quota(storage, "a", 3)
    sweep = Sweep(stack, storage, "a", workers=(2, 2, 1))
    assert sweep.place.is_shared()
    assert sorted(node.training.workers for node in sweep.start_all()) == [1, 2]
    large = Sweep(stack, storage, "c", cluster="another", owner="a", workers=(4,))
    assert large.start_all() == []
    assert "quota of a, which is 3 workers" in large.told[0].reason
    set_quota(storage, "a", None)
    assert len(large.start_all()) == 1


def test_an_order_is_obeyed_and_goes_with_the_sweep(storage: Storage) -> None:
    with ExitStack() as stack:
        first, second = Sweep(stack, storage, "a"), Sweep(stack, storage, "b", since=1.0)
        holder = second.leases.holder
        give_order(storage, holder, QueueOrder(priority=5))
        give_order(storage, holder, QueueOrder(share=2.0))
        second.place.refresh()
        found = read_queue(storage, first.leases.is_alive).entries[holder]
        assert (found.priority, found.share) == (5, 2.0)
        first.place.refresh()
        assert (first.place.view.allotted, second.place.view.allotted) == (0, 4)
    assert storage.sizes(layout.QUEUE) == {}


def test_sweeps_of_other_clusters_and_devices_share_nothing(
    stack: ExitStack, storage: Storage
) -> None:
    for number, other in enumerate(({}, {"cluster": "another"}, {"device": "GPU"})):
        Sweep(stack, storage, f"s{number}", **other)
    sweep = Sweep(stack, storage, "a")
    assert sweep.place.view.sweeps == 2


def test_what_is_left_of_a_dead_sweep_is_ignored_and_removed(storage: Storage) -> None:
    gone = Leases(storage)
    storage.write_bytes(layout.queue_entry(gone.holder), b"{}")
    give_order(storage, gone.holder, QueueOrder(priority=1))
    assert read_queue(storage, lambda holder: beats(storage, holder)) == Queue({}, {})
    assert storage.sizes(layout.QUEUE) == {}


@pytest.mark.parametrize("content", [b"", b'{"format": 99}', b"[]", b'{"owner": 3}'])
def test_an_entry_that_is_none_counts_for_nothing(storage: Storage, content: bytes) -> None:
    with Leases(storage) as leases:
        storage.write_bytes(layout.queue_entry(leases.holder), content)
        assert read_queue(storage, leases.is_alive).entries == {}


def test_the_thread_tells_the_others_by_itself(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_place, "SHORTEST_SECONDS", 0.01)
    monkeypatch.setattr(queue_place, "REFRESH_SECONDS", 0.02)
    from tests.helpers.waiting import wait_until

    with ExitStack() as stack:
        first, second = Sweep(stack, storage, "a"), Sweep(stack, storage, "b", since=1.0)
        wait_until(first.place.is_shared, "the first sees the second")
        wait_until(lambda: first.frontier.next(), "a node starts")
        wait_until(lambda: second.place.view.room <= 3, "the second sees its node")


def test_quotas_that_are_set_at_once_all_stand(storage: Storage) -> None:
    owners = [f"owner{number}" for number in range(4)]
    threads = [threading.Thread(target=set_quota, args=(storage, o, 2)) for o in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_quotas(storage) == dict.fromkeys(owners, 2)
    set_quota(storage, "owner1", None)
    assert "owner1" not in read_quotas(storage)


def test_a_node_of_others_is_asked_for_without_room() -> None:
    """Else a sweep whose next node others train would never see that it is done."""

    class Theirs:
        answer = "theirs"

        def ask(self, _: str) -> Any:
            return self.answer

        def give_back(self, node: str) -> None:
            back.append(node)

    back: list[str] = []
    claims, slots = Theirs(), iter([1.0, 0.0, 0.0, 1.0])
    tree = fakes.make_tree([("a", None, 1), ("b", "a", 1)])
    frontier = Frontier(
        tree.nodes, slots=lambda: next(slots), claims=claims, is_shared=lambda: True
    )
    assert frontier.next() is None
    assert (frontier.theirs, frontier.could_start(9)) == ({"a"}, ())
    claims.answer = "ours"  # its sweep is gone, but there is no room for it here
    assert frontier.next() is None
    assert (back, frontier.could_start(9)) == (["a"], (1,))
    frontier.theirs.add("a")
    claims.answer = "done"
    assert frontier.next() is None
    assert (frontier.elsewhere, frontier.could_start(9)) == (["a"], (1,))
    claims.answer = "ours"
    assert frontier.next() is tree.nodes[1]


def test_what_could_start() -> None:
    links = [("a", None, 4), ("b", None, 1), ("c", None, 1), ("d", "b", 1)]
    tree = fakes.make_tree([*links, ("e", "a", 1), ("f", "e", 1)])  # the longest path begins with a
    elastic = replace(tree.nodes[0], training=replace(tree.nodes[0].training, fewest_workers=2))
    frontier = Frontier((elastic, *tree.nodes[1:]), concurrent=2)
    assert frontier.could_start(9) == (2, 1, 1, 1)
    assert frontier.could_start(3) == (2, 1, 1)
    frontier.pause("a")
    assert frontier.could_start(9) == (1, 1)
    frontier.next()
    assert frontier.could_start(9) == (1,)


def test_without_leases_there_is_no_queue() -> None:
    place = NoQueue(lambda: 7.0)
    with place.following(Frontier(())):
        assert (place.slots(), place.is_shared()) == (7.0, False)


@pytest.mark.parametrize(
    ("growable", "allotted"), [(1.0, [1, 0]), (2.0, [1, 1]), (math.inf, [4, 3])]
)
def test_a_cluster_that_grows_is_shared_as_it_will_be(growable: float, allotted: list[int]) -> None:
    entry = ENTRY.model_copy(update={"capacity": 1.0, "growable": growable})
    entries = {
        "a": entry.model_copy(update={"owner": "a", "asked": 6}),
        "b": entry.model_copy(update={"owner": "b", "asked": 1, "since": 1.0}),
    }
    assert [view_of(Queue(entries), holder).allotted for holder in "ab"] == allotted


def test_a_sweep_lets_a_cluster_grow_for_its_first_node_or_as_many_as_it_says() -> None:
    assert Capacity(lambda: 0.0).asked((4, 1, 1)) == 4
    assert Capacity(lambda: 0.0).asked(()) == 0
    assert Capacity(lambda: 0.0, concurrent=3).asked((1, 1, 1, 1)) == 3
    assert Capacity(lambda: 0.0, concurrent=3).asked((4, 4, 1, 1)) == 4


def test_an_entry_of_a_cluster_without_a_known_limit_can_be_read(storage: Storage) -> None:
    entry = ENTRY.model_copy(update={"growable": math.inf})
    write_record(storage, layout.queue_entry("a"), entry)
    assert read_queue(storage, lambda _: True).entries == {"a": entry}


def test_set_quota_on_a_store_without_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    from raycl.cli.queue import set_numbers

    monkeypatch.setattr(Storage, "has_conditional_writes", False)
    with pytest.raises(InputError, match="no leases and no queue"):
        set_numbers("/tmp/x", "mine", priority=1)
