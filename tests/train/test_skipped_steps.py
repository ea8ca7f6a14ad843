"""Steps whose loss or gradient is not finite: skipped to the bit, counted, given up on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raycl.storage import Storage
from raycl.train.exchange import Exchange, Launched
from raycl.train.history import History
from raycl.train.loop import never
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.world import World
from raycl.train.throughput import Throughput
from tests.helpers.stored_tensors import difference, history, state_folder, tensors
from tests.helpers.training_runs import make_storage, make_task, poison, run
from tests.helpers.worker_processes import Jobs, launch

Poison = Callable[[Sequence[int], float], None]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return make_storage(tmp_path / "storage")


@pytest.fixture
def poisoned(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Gives the last row of some steps a loss that is not finite."""

    def patch(steps: Sequence[int], value: float) -> None:
        monkeypatch.setattr(LanguageModel, "forward", LanguageModel.forward)
        poison(make_task(stop=8), storage, steps, value)

    return patch


def mark(storage: Storage, step: int, **fields: Any) -> dict[str, Any]:
    text = (state_folder(storage, step, **fields) / "state.json").read_text()
    return dict(json.loads(text))


def skipped(storage: Storage, step: int, **fields: Any) -> list[int]:
    return [line["step"] for line in history(storage, step, **fields) if line["skipped"]]


@pytest.mark.parametrize("micro_batch", [None, 2])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_skipped_step_changes_no_bit(
    storage: Storage, poisoned: Poison, value: float, micro_batch: int | None
) -> None:
    poisoned([2], value)
    fields: dict[str, Any] = {"reset": False, "micro_batch": micro_batch}
    run(storage, stop=2, **fields)
    run(storage, start=2, stop=3, **fields)
    assert difference(tensors(storage, 2, reset=False), tensors(storage, 3, reset=False)) == 0
    assert mark(storage, 3, reset=False)["optimizer_steps"] == 2
    (line,) = history(storage, 3, reset=False)
    assert (line["skipped"], math.isfinite(line["loss"])) == (1, False)
    assert math.isnan(line["gradient_norm"])


@pytest.mark.parametrize(
    ("steps", "optimizer_steps"),
    [
        pytest.param([2, 3], 2, id="before the hand-off at step 4"),
        pytest.param([0, 4], 1, id="the first steps of both stages"),  # they read the same rows
    ],
)
def test_training_goes_on_and_counts(
    storage: Storage, poisoned: Poison, tmp_path: Path, steps: list[int], optimizer_steps: int
) -> None:
    poisoned(steps, math.nan)
    run(storage, save_every=1)
    assert skipped(storage, 6) == steps
    assert mark(storage, 6)["optimizer_steps"] == optimizer_steps
    resumed = make_storage(tmp_path / "resumed")
    for stop in (1, 3, 4, 5, 6):  # some nodes end with a skipped step; their validation is finite
        run(resumed, stop=stop)
    assert difference(tensors(storage, 6), tensors(resumed, 6)) == 0


def test_without_poison_nothing_is_skipped(storage: Storage) -> None:
    run(storage)
    lines = history(storage, 6)
    assert [line["skipped"] for line in lines] == [None, 0, 0, 0, 0, 0, 0]


def test_too_many_in_a_row_name_the_last_good_state(storage: Storage, poisoned: Poison) -> None:
    poisoned([2, 3], math.nan)
    # State 2 is the one from which no step succeeded.
    good = make_task().chain.name(1)
    message = rf"step 2: loss nan.* 2 steps in a row.*Last good state in storage: {good}"
    with pytest.raises(FloatingPointError, match=message):
        run(storage, max_skipped=2, save_every=1)
    assert [int(name[:9]) for name in storage.list("states")] == [1, 2]
    run(storage, max_skipped=3, save_every=1)
    assert skipped(storage, 6) == [2, 3]


@pytest.mark.parametrize("world", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_spike_is_skipped_where_the_recipe_says_what_one_is(
    storage: Storage, poisoned: Poison, tmp_path: Path, world: int
) -> None:
    plain = make_storage(tmp_path / "plain")
    jobs: Jobs = [
        (storage, {"stop": stop, "reset": False, "gradient_skip": 20}) for stop in (2, 3, 6)
    ]
    jobs.append((plain, {"reset": False}))
    if world == 1:
        poisoned([2], 1000)
        for where, fields in jobs:
            run(where, **fields)
    else:
        assert launch(world, jobs, POISON=json.dumps([storage.url, [2], 1000])) == [0, 0]
    saved = [tensors(storage, step, reset=False) for step in (2, 3)]
    assert difference(*saved) == 0
    lines = history(storage, 3, reset=False)
    assert [(line["step"], line["skipped"]) for line in lines] == [(2, 1)]
    assert 20 < lines[0]["gradient_norm"] < math.inf
    assert mark(storage, 6, reset=False)["optimizer_steps"] == 5
    assert skipped(plain, 6, reset=False) == []


def test_a_norm_at_the_limit_is_no_spike(storage: Storage, tmp_path: Path) -> None:
    run(storage, stop=1)
    norm = history(storage, 1)[-1]["gradient_norm"]
    for limit, expected in ((norm, []), (np.nextafter(np.float32(norm), np.float32(0)), [0])):
        other = make_storage(tmp_path / f"{limit}")
        run(other, stop=1, gradient_skip=float(limit))
        assert skipped(other, 1) == expected


def test_spikes_in_a_row_end_it_too(storage: Storage) -> None:
    with pytest.raises(FloatingPointError, match=r"step 0: loss 4\..*and so for \d steps in a row"):
        run(storage, max_skipped=3, gradient_skip=1e-6)


def test_none_is_good_where_the_first_step_fails(storage: Storage, poisoned: Poison) -> None:
    poisoned([0], math.inf)
    with pytest.raises(FloatingPointError, match=r"step 0: loss inf.*storage: none"):
        run(storage, max_skipped=1)


def test_a_row_of_skips_counts_though_it_ended_before_it_was_seen() -> None:
    exchange = Exchange(World(0, 1, torch.device("cpu")), None, never)
    found = History(exchange, Throughput(8, 1.0, None, 1), [])
    for step, norm in enumerate([1.0, math.nan, math.inf, 1.0, math.nan]):
        found.add(step, 1e-3, Launched(torch.tensor(1.0), torch.tensor(norm), 0.0), {})
    found.resolve()
    assert (found.most_skipped, found.latest_skipped) == ((1, 2), (4,))
    assert [line["skipped"] for line in found.lines] == [0, 1, 1, 0, 1]


@pytest.mark.slow
def test_all_workers_skip_alike(tmp_path: Path) -> None:
    """The row is the second rank's: both must leave the step out, and both must give up."""
    storage, failing = (make_storage(tmp_path / name) for name in "ab")
    toxic = json.dumps([storage.url, [2], "inf"])
    jobs = [
        (storage, {"stop": 2, "reset": False}),
        (storage, {"start": 2, "stop": 3, "reset": False}),
        (storage, {"start": 3, "reset": False}),
        (failing, {"max_skipped": 1}),
    ]
    # The last job raises on both ranks; that those before it did not, their states show.
    assert launch(2, jobs, POISON=toxic) == [1, 1]
    assert difference(tensors(storage, 2, reset=False), tensors(storage, 3, reset=False)) == 0
    assert mark(storage, 6, reset=False)["optimizer_steps"] == 5
    assert skipped(storage, 3, reset=False) == [2]
    assert skipped(storage, 6, reset=False) == []
    assert failing.list("states") == []
