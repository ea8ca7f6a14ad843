"""What a worker group is told, and how long it is kept, without Ray."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from raycl.cluster.worker_needs import WorkerNeeds
from raycl.sweep.orders import News, Orders
from raycl.sweep.worker_group import GroupSize, KeptGroup, WorkerGroup
from tests.helpers.waiting import wait_until


def order(name: str) -> Any:
    return SimpleNamespace(training=name)


async def worked(
    orders: Orders, log: list[str], workers: asyncio.Barrier, stop_after: int | None = None
) -> None:
    """What each worker does: takes orders one by one, and finishes them with the others."""
    place = await orders.first()
    while (taken := await orders.order(place)) is not None:
        log.append(cast(str, taken.training))
        if stop_after == place:
            return
        await orders.report({"node": taken.training})
        await workers.wait()
        await orders.finish(place)
        place += 1


def test_each_order_is_taken_once_by_every_worker_and_the_last_one_is_agreed_on() -> None:
    async def run() -> tuple[list[list[str]], list[News]]:
        orders, logs, heard = Orders(), [list[str](), list[str]()], []
        barrier = asyncio.Barrier(2)
        workers = [asyncio.create_task(worked(orders, log, barrier)) for log in logs]
        for name in ("a", "b"):
            await orders.give(order(name))
            while not (news := await orders.news(5)).finished:
                heard.append(news)
            heard.append(news)
        await orders.close()
        await asyncio.wait_for(asyncio.gather(*workers), 5)
        return logs, heard

    logs, heard = asyncio.run(run())
    assert logs == [["a", "b"], ["a", "b"]]
    metrics = [told["node"] for news in heard for told in news.metrics]
    assert sorted(set(metrics)) == ["a", "b"]
    assert not any(news.ended or news.waiting for news in heard)


def test_workers_that_start_anew_go_on_with_the_order_that_is_not_finished() -> None:
    async def run() -> list[str]:
        orders, log, alone = Orders(), list[str](), asyncio.Barrier(1)
        await orders.give(order("a"))
        first = asyncio.create_task(worked(orders, log, alone, stop_after=1))
        while not (await orders.news(5)).finished:
            pass
        await orders.give(order("b"))
        await asyncio.wait_for(first, 5)  # as if it died while it trained b
        assert not (await orders.news(0.01)).finished
        second = asyncio.create_task(worked(orders, log, alone))
        while not (await orders.news(5)).finished:
            pass
        await orders.close()
        await asyncio.wait_for(second, 5)
        return log

    assert asyncio.run(run()) == ["a", "b", "b"]


def test_a_trial_hears_that_its_workers_wait_and_that_they_are_gone() -> None:
    async def run() -> list[News]:
        orders = Orders()
        await orders.give(order("a"))
        waiting = await orders.news(0.01)
        await orders.first()
        started = await orders.news(0.01)
        await orders.end()
        return [waiting, started, await orders.news(5)]

    assert asyncio.run(run()) == [
        News((), False, False, True),
        News((), False, False, False),
        News((), False, True, False),
    ]


def test_an_order_is_left_when_rank_0_has_been_told_and_the_group_takes_the_next() -> None:
    async def run() -> list[Any]:
        orders, heard = Orders(), list[Any]()
        await orders.first()
        for name in ("a", "b"):
            number = await orders.give(order(name))
            heard.append(await orders.must_leave())
            await orders.leave(number, True)
            heard.append(await orders.is_left())  # a machine is taken away before rank 0 asks
            heard.append(await orders.must_leave())
            await orders.leave(number, False)
            heard += [await orders.must_leave(), await orders.is_left()]
            await orders.finish(number, left=name == "a")  # b has reached its end before
            heard.append(await orders.news(5))
            await orders.leave(number, True)
        return heard

    told = [False, False, True, False, True]
    left, trained = (News((), True, False, False, left) for left in (True, False))
    assert asyncio.run(run()) == [*told, left, *told, trained]


def test_an_order_that_no_worker_has_begun_is_withdrawn() -> None:
    async def run() -> tuple[News, int, Any]:
        orders = Orders()
        number = await orders.give(order("a"))
        await orders.leave(number, False)
        assert not (await orders.news(0.01)).finished
        await orders.leave(number, True)
        news = await orders.news(5)
        await orders.close()
        begins = await orders.first()
        return news, begins, await asyncio.wait_for(orders.order(begins), 5)

    assert asyncio.run(run()) == (News((), True, False, True, True), 1, None)


class Group:
    """A stand-in for a worker group."""

    def __init__(self, size: GroupSize) -> None:
        self.size, self.is_running, self.ends = size, True, 0

    def end(self) -> None:
        self.is_running, self.ends = False, self.ends + 1


TWO, FOUR = (GroupSize(workers, workers, WorkerNeeds()) for workers in (2, 4))


def kept(group: Group, seconds: float = 600) -> KeptGroup:
    keeps = KeptGroup(seconds)
    keeps.keep(cast(WorkerGroup, group))
    return keeps


def test_a_group_goes_to_the_next_node_of_its_size_once() -> None:
    group = Group(TWO)
    keeps = kept(group)
    assert keeps.take(TWO) is cast(WorkerGroup, group)
    assert keeps.take(TWO) is None
    assert group.ends == 0


@pytest.mark.parametrize("dead", [False, True])
def test_a_group_of_another_size_or_without_workers_ends_first(dead: bool) -> None:
    group = Group(TWO)
    group.is_running = not dead
    assert kept(group).take(TWO if dead else FOUR) is None
    assert group.ends == 1


def test_a_group_without_a_node_ends_by_itself() -> None:
    group = Group(TWO)
    keeps = kept(group, seconds=0.01)
    wait_until(lambda: group.ends == 1, "the group has ended")
    assert keeps.take(TWO) is None
    assert group.ends == 1
