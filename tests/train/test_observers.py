"""Observers of the loop: what they are told, and that they can change nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from raycl.train.loop import train
from raycl.train.observers import Observer
from tests.helpers.stored_tensors import difference, tensors
from tests.helpers.training_runs import make_batches, make_storage, make_task


class LowestLoss(Observer):
    """As an extension would be: one hook, and the number that it is about."""

    def __init__(self) -> None:
        self.loss = math.inf

    def on_metrics(self, metrics: dict[str, Any]) -> None:
        self.loss = min(self.loss, metrics["loss"])


class Diary(Observer):
    """Notes what it is told, and then spoils what it was given."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.validated: list[int] = []

    def on_step(self, step: int) -> None:
        self.told.append(("step", step))

    def on_metrics(self, metrics: dict[str, Any]) -> None:
        self.told.append(("metrics", metrics["step"]))
        if "validation/new" in metrics:
            self.validated.append(metrics["step"])
        metrics.clear()

    def on_end(self, metrics: dict[str, Any]) -> None:
        self.told.append(("end", metrics["step"]))
        metrics.clear()


def test_observers_are_told_of_steps_numbers_and_the_end(tmp_path: Path) -> None:
    storage, task = make_storage(tmp_path), make_task(validation_every=2)
    lowest, diary, reports = LowestLoss(), Diary(), list[dict[str, Any]]()
    train(
        task,
        storage,
        make_batches(task, storage),
        reports.append,
        observers=[lowest, diary],
    )
    steps = [step for what, step in diary.told if what == "step"]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert diary.validated == [2, 4, 6]
    # The numbers of a step come after the word that it is done; the end comes last, and once.
    places = {told: place for place, told in enumerate(diary.told)}
    assert all(places["step", step] < places["metrics", step] for step in (2, 4, 6))
    assert [told for told in diary.told if told[0] == "end"] == [diary.told[-1]] == [("end", 6)]
    # `report` is told as the observers are, and is not touched by what they do.
    told = [step for what, step in diary.told if what != "step"]
    assert [report["step"] for report in reports] == told
    assert lowest.loss == min(report["loss"] for report in reports)


def test_a_finished_node_is_only_told_to_have_ended(tmp_path: Path) -> None:
    storage, task = make_storage(tmp_path), make_task(stop=1)
    for expected in ([("step", 1), ("metrics", 1), ("end", 1)], [("end", 1)]):
        diary = Diary()
        train(task, storage, make_batches(task, storage), lambda _: None, observers=[diary])
        assert diary.told == expected


def test_observers_change_no_bit(tmp_path: Path) -> None:
    watched, alone = (make_storage(tmp_path / name) for name in ("watched", "alone"))
    for storage, observers in ((watched, [Diary(), LowestLoss()]), (alone, [])):
        task = make_task(save_every=2)
        train(task, storage, make_batches(task, storage), lambda _: None, observers=observers[:1])
    assert difference(tensors(watched, 6), tensors(alone, 6)) == 0


def test_what_an_observer_raises_ends_the_training(tmp_path: Path) -> None:
    class Alarm(Observer):
        def on_step(self, step: int) -> None:
            raise ArithmeticError(f"at {step}")

    storage, task = make_storage(tmp_path), make_task()
    with pytest.raises(ArithmeticError, match="at 1"):
        train(task, storage, make_batches(task, storage), lambda _: None, observers=[Alarm()])
    assert storage.list("states") == []
