"""What ranks tell each other in a step: how often, how late, and what becomes of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from raycl.storage import Storage
from raycl.train import history
from raycl.train.exchange import Exchange, Launched
from raycl.train.history import History
from raycl.train.loop import never
from raycl.train.parallel.world import World
from raycl.train.throughput import Throughput
from raycl.train.trainer import Trainer
from tests.helpers.stored_tensors import history as stored_history
from tests.helpers.training_runs import make_storage, run
from tests.helpers.worker_processes import launch

CPU = torch.device("cpu")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return make_storage(tmp_path / "storage")


class Ranks(World):
    """A world whose other ranks' numbers are made up from this one's."""

    others: tuple[float, ...] = (2.0, 5.0)

    def gather_numbers(self, values: torch.Tensor) -> torch.Tensor:
        return torch.stack([values, *(values * factor for factor in self.others)])


def launched(loss: float = 1.0, data_wait: float = 0.0) -> Launched:
    return Launched(torch.tensor(loss), torch.tensor(3.0), data_wait)


def test_losses_are_summed_and_the_slowest_rank_is_told() -> None:
    exchange = Exchange(Ranks(0, 3, CPU), None, lambda: True)
    exchange.send([launched(1.0, 0.25), launched(2.0, 0.25)])
    numbers = exchange.read()
    assert numbers.losses == [8.0, 16.0]
    assert numbers.norms == [3.0, 3.0]
    assert numbers.data_wait == 2.5
    assert numbers.peak_memory > 5 * 10**7  # five times what this process holds
    assert numbers.leaving
    assert not numbers.saving


def test_one_rank_by_whose_clock_it_is_time_to_save_is_enough() -> None:
    exchange = Exchange(Ranks(0, 3, CPU), None, never, lambda: True)
    exchange.send([launched()])
    numbers = exchange.read()
    assert (numbers.saving, numbers.leaving) == (True, False)


def test_lines_come_a_step_late_and_all_of_them_when_asked_for() -> None:
    found = History(Exchange(World(0, 1, CPU), None, never), Throughput(8, 1.0, 100.0, 1), [])
    news = []
    for step in range(3):
        found.add(step, 1e-3, launched(), {})
        news.append(found.exchange())
    assert news[:2] == [False, True]
    assert [line["step"] for line in found.lines][:1] == [0]
    found.resolve()
    assert [line["step"] for line in found.lines] == [0, 1, 2]
    line = found.lines[-1]
    assert line["tokens_per_second"] == pytest.approx(8 / line["seconds"])
    assert line["mfu"] == pytest.approx(line["tokens_per_second"] / 100)
    assert 10**7 < line["peak_memory"] < 10**12


@pytest.mark.parametrize(("seconds", "exchanges"), [(1e-9, range(20, 21)), (1e6, range(3, 7))])
def test_one_collective_a_step_at_most(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, seconds: float, exchanges: range
) -> None:
    monkeypatch.setattr(history, "_SECONDS_BETWEEN_EXCHANGES", seconds)
    counts, steps = Counter[str](), Counter[str]()

    def count(name: str) -> None:
        wrapped: Any = getattr(World, name)

        def counted(*arguments: Any) -> Any:
            counts[name] += 1
            return wrapped(*arguments)

        monkeypatch.setattr(World, name, counted)

    for name in ("gather_numbers", "sum", "agree", "gather", "everywhere"):
        count(name)
    train_step = Trainer.train_step

    def step(self: Trainer, stream: Any) -> None:
        if steps["done"] == 0:
            counts.clear()
        before = sum(counts.values())
        train_step(self, stream)
        assert sum(counts.values()) == before  # nothing in the step itself
        steps["done"] += 1
        if self.step == 20:
            steps["others"] = sum(counts.values()) - counts["gather_numbers"]

    monkeypatch.setattr(Trainer, "train_step", step)
    run(storage, steps=20, stop=20, reset=False)
    assert counts["gather_numbers"] in exchanges
    assert steps["others"] == 0


@pytest.mark.slow
def test_two_ranks_write_one_history(tmp_path: Path) -> None:
    storage = make_storage(tmp_path)
    assert launch(2, [(storage, {"stop": 8})]) == [0, 0]
    lines = [line for line in stored_history(storage, 8) if line["step"] >= 0]
    assert [line["step"] for line in lines] == list(range(8))
    assert all(0 <= line["data_wait_share"] <= 1 for line in lines)
    assert all(line["peak_memory"] > 10**7 for line in lines)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_no_step_waits_for_the_device(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_SECONDS_BETWEEN_EXCHANGES", 1e-9)

    def strictly(name: str) -> None:
        wrapped: Any = getattr(Trainer, name)

        def checked(self: Trainer, *arguments: Any) -> Any:
            if self.step < 2:  # the first steps allocate and choose kernels
                return wrapped(self, *arguments)
            torch.cuda.set_sync_debug_mode("error")
            try:
                return wrapped(self, *arguments)
            finally:
                torch.cuda.set_sync_debug_mode("default")

        monkeypatch.setattr(Trainer, name, checked)

    for name in ("train_step", "exchange"):
        strictly(name)
    assert run(storage, steps=10, stop=10, micro_batch=4)[-1]["step"] == 10
