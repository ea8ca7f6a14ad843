"""A node that is paused while it trains, on a real Ray: what it held is free, its bits stay."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from raycl.plan.training import Training
from raycl.plan.tree import Node, Tree
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from raycl.sweep.events import SweepEvent
from raycl.sweep.steering.record import write_request
from raycl.train.loop import train
from tests.helpers import gated_loop
from tests.helpers.stored_tensors import history, tensors
from tests.helpers.training_runs import make_batches, make_storage, make_task
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.ray
STEPS = 12


def node(**fields: Any) -> Node:
    # A validation after each step: the loop asks by the clock, and these steps take no time.
    task = make_task(stop=STEPS, steps=STEPS, validation_every=1, **fields)
    return Node(task.chain.name(STEPS), None, task, ("a recipe",))


def weights(storage: Storage) -> dict[str, torch.Tensor]:
    """Those of the first node's end, however many workers have written it."""
    return tensors(storage, STEPS, steps=STEPS)


def losses(storage: Storage) -> list[tuple[int, float]]:
    """Step and loss of each step of the first node."""
    lines = history(storage, STEPS, steps=STEPS)
    return [(line["step"], line["loss"]) for line in lines if line["step"] >= 0]


def undisturbed(folder: Path, task: Training) -> dict[str, torch.Tensor]:
    """The weights of a training that nobody pauses."""
    storage = make_storage(folder)
    train(task, storage, make_batches(task, storage), lambda _: None)
    return weights(storage)


class Steered:
    """A sweep whose first node is paused at its gate, and resumed when `is_time()`."""

    def __init__(self, storage: Storage, nodes: tuple[Node, ...]) -> None:
        self.storage, self.nodes, self.first = storage, nodes, nodes[0].name
        self.events: list[tuple[str, str]] = []
        storage.write_bytes(f"gate/{self.first}", b"")

    def run(self, is_time: Callable[[], bool]) -> tuple[str, ...]:
        from raycl.sweep.driver import TrialSettings, run_sweep

        with ThreadPoolExecutor(1) as pool:
            person = pool.submit(self._pause_and_resume, is_time)
            outcome = run_sweep(
                Tree(self.nodes, {}),
                self.storage,
                on_event=self._hear,
                trials=TrialSettings(train=gated_loop.train),
            )
            person.result()
        return outcome.finished

    def _hear(self, event: SweepEvent) -> None:
        if event.kind != "metrics":
            self.events.append((event.kind, event.node))

    def _pause_and_resume(self, is_time: Callable[[], bool]) -> None:
        wait_until(lambda: self.storage.exists(f"waits/{self.first}"), "the node trains")
        write_request(self.storage, self.first, "pause")
        wait_until(lambda: ("left", self.first) in self.events, "the node was left")
        wait_until(is_time, "it is time to go on")
        write_request(self.storage, self.first, "resume")


@pytest.mark.usefixtures("ray_cluster")
def test_a_paused_node_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    import ray

    made = node()
    sweep = Steered(make_storage(tmp_path / "steered"), (made,))
    resources: Any = ray.available_resources
    assert sweep.run(lambda: resources().get("CPU") == 2.0) == (made.name,)
    kinds = [kind for kind, _ in sweep.events if kind != "waiting"]
    assert (kinds[0], kinds[-2:]) == ("started", ["started", "finished"])
    assert {"left", "resumed"} <= set(kinds)
    assert "retried" not in kinds
    (inside,) = set(complete_states(sweep.storage)) - {made.name}
    assert int(inside.partition("-")[0]) in range(gated_loop.GATE, STEPS)
    expected, found = undisturbed(tmp_path / "whole", made.training), weights(sweep.storage)
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[key]) for key, tensor in expected.items())


@pytest.mark.usefixtures("ray_cluster")
def test_the_group_of_a_paused_node_trains_another_one_meanwhile(tmp_path: Path) -> None:
    first, second = node(workers=2), node(workers=2, rates=(2e-2, 3e-3))
    sweep = Steered(make_storage(tmp_path / "steered"), (first, second))
    finished = sweep.run(lambda: ("finished", second.name) in sweep.events)
    assert finished == (second.name, first.name)
    assert "retried" not in dict(sweep.events)
    of_second = gated_loop.processes(sweep.storage, second.name)
    assert len(of_second) == 2
    assert of_second <= gated_loop.processes(sweep.storage, first.name)
    alone, whole = replace(first.training, workers=1), tmp_path / "whole"
    undisturbed(whole, alone)
    expected, found = losses(Storage(whole)), losses(sweep.storage)
    assert [step for step, _ in found] == list(range(STEPS))  # none is lost, none is there twice
    # Two workers add up their gradients in another order than one.
    assert [loss for _, loss in found] == pytest.approx([loss for _, loss in expected], rel=1e-3)
