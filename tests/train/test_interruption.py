"""A notice to leave is heeded at once, whatever else is due in the step with which it comes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from raycl.storage import Storage
from raycl.train import history
from raycl.train.interruption import Interrupted
from raycl.train.model.language_model import LanguageModel
from tests.helpers.stored_tensors import difference, tensors
from tests.helpers.training_runs import Notice, make_storage, make_task, poison, run
from tests.helpers.worker_processes import Jobs, launch

EVERY_STEP = [
    pytest.param({"validation_every": 1}, id="a validation"),
    pytest.param({"save_every": 1}, id="a save"),
    pytest.param({"keep_every": 1}, id="a state that stays"),
    pytest.param({"validation_every": 1, "save_every": 1}, id="both"),
]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return make_storage(tmp_path / "storage")


@pytest.fixture(autouse=True)
def _seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first steps the clock alone would not make the ranks exchange numbers again."""
    monkeypatch.setattr(history, "_SECONDS_BETWEEN_EXCHANGES", 1e6)


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock makes the ranks exchange numbers in every step."""
    monkeypatch.setattr(history, "_SECONDS_BETWEEN_EXCHANGES", 1e-9)


def stored(storage: Storage) -> list[int]:
    states = storage.list("states")
    return [int(n[:9]) for n in states if storage.exists(f"states/{n}/state.json")]


@pytest.mark.parametrize("fields", EVERY_STEP)
def test_whatever_is_due_in_every_step(
    storage: Storage, tmp_path: Path, fields: dict[str, Any]
) -> None:
    with pytest.raises(Interrupted, match="saved after step 3 to make room"):
        run(storage, notice=Notice(at=3), **fields)
    assert max(stored(storage)) == 3
    assert run(storage, **fields)[-1]["optimizer_steps"] == 3
    undisturbed = make_storage(tmp_path / "undisturbed")
    run(undisturbed)
    assert difference(tensors(storage, 6), tensors(undisturbed, 6)) == 0


def test_a_notice_with_the_last_step_lets_the_node_end(storage: Storage) -> None:
    notice = Notice(at=6)
    assert run(storage, notice=notice, validation_every=1)[-1]["step"] == 6
    assert stored(storage) == [6]


@pytest.mark.parametrize("at", [1, 3, 5])
@pytest.mark.usefixtures("every_step")
def test_where_nothing_is_due_it_is_heeded_a_step_later(
    storage: Storage, tmp_path: Path, at: int
) -> None:
    fields: dict[str, Any] = {"steps": 10, "stop": 8}
    with pytest.raises(Interrupted, match=f"saved after step {at + 1} to make room"):
        run(storage, notice=Notice(at=at), **fields)
    assert stored(storage) == [at + 1]
    run(storage, **fields)
    undisturbed = make_storage(tmp_path / "undisturbed")
    run(undisturbed, **fields)
    ends = (tensors(s, 8, steps=10) for s in (storage, undisturbed))
    assert difference(*ends) == 0


@pytest.mark.usefixtures("every_step")
def test_a_notice_that_is_read_with_the_last_step_lets_the_node_end(storage: Storage) -> None:
    assert run(storage, notice=Notice(at=5))[-1]["step"] == 6
    assert stored(storage) == [6]


def test_a_step_that_was_skipped_is_not_where_it_stops(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights without a finite loss are not saved, so the message would say what is not true."""
    monkeypatch.setattr(LanguageModel, "forward", LanguageModel.forward)
    poison(make_task(stop=8), storage, [1, 2], math.nan)
    with pytest.raises(Interrupted, match="saved after step 4 to make room"):
        run(storage, notice=Notice(at=2), validation_every=2)
    assert stored(storage) == [4]


def test_a_skipped_step_before_the_last_one_lets_the_node_end(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LanguageModel, "forward", LanguageModel.forward)
    poison(make_task(stop=8), storage, [4], math.nan)
    assert run(storage, notice=Notice(at=5), validation_every=1)[-1]["step"] == 6
    assert stored(storage) == [6]


@pytest.mark.usefixtures("every_step")
def test_a_state_by_time_changes_no_bit(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(storage, notice=Notice(at=4), save_every="0.000001 s", keep_last=9)
    # The first numbers are read after the second step. How soon after the next save they are read
    # again depends on the seconds of a step.
    within = stored(storage)
    assert within[0] == 2
    assert within[-1] in (4, 5)
    run(storage, save_every="0.000001 s")
    undisturbed = make_storage(tmp_path / "undisturbed")
    run(undisturbed, save_every="1 hour")
    assert stored(undisturbed) == [6]
    assert difference(tensors(storage, 6), tensors(undisturbed, 6)) == 0


@pytest.mark.slow
def test_one_rank_is_asked_and_all_leave_after_the_same_step(tmp_path: Path) -> None:
    never = 1000
    fields: list[dict[str, Any]] = [
        {"notice": [never, 3], "validation_every": 1},
        {"notice": [2, never], "save_every": 2},
        {"notice": [never, 1]},  # nothing is due: the first exchanges are those of every step
        {"notice": [never, 6], "save_every": 1, "validation_every": 2},
    ]
    jobs: Jobs = [(make_storage(tmp_path / str(n)), job) for n, job in enumerate(fields)]
    assert launch(2, jobs) == [0, 0]
    found = [[s.read_json(f"notices/{rank}")["stopped"] for rank in range(2)] for s, _ in jobs]
    assert found == [[f"saved after step {n} to make room"] * 2 for n in (3, 2, 2)] + [["", ""]]
    assert [stored(storage) for storage, _ in jobs] == [[3], [2], [2], [6]]
