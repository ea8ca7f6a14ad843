"""A notice to leave is heeded at once, whatever else is due in the step with which it comes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from raycl.storage import Storage
from raycl.train import history
from raycl.train.loop import Interrupted
from raycl.train.model import LanguageModel
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
    """After the first step the clock alone would not make the ranks exchange losses again."""
    monkeypatch.setattr(history, "_SECONDS_BETWEEN_RESOLVES", 1e6)


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
    assert notice.asked_after == [1, 2, 3, 4, 5]
    assert stored(storage) == [6]


def test_a_step_that_was_skipped_is_not_where_it_stops(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights without a finite loss are not saved, so the message would say what is not true."""
    monkeypatch.setattr(LanguageModel, "forward", LanguageModel.forward)
    poison(make_task(stop=8), storage, [1, 2], math.nan)
    notice = Notice(at=2)
    with pytest.raises(Interrupted, match="saved after step 4 to make room"):
        run(storage, notice=notice, validation_every=2)
    assert stored(storage) == [4]
    assert notice.asked_after == [1, 2]  # who said yes once is not asked again


def test_a_skipped_step_before_the_last_one_lets_the_node_end(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LanguageModel, "forward", LanguageModel.forward)
    poison(make_task(stop=8), storage, [4], math.nan)
    assert run(storage, notice=Notice(at=5), validation_every=1)[-1]["step"] == 6
    assert stored(storage) == [6]


@pytest.mark.slow
def test_all_ranks_are_asked_after_the_same_steps(tmp_path: Path) -> None:
    """The question is collective: a rank that asks alone would wait for the others for ever."""
    often, seldom, late = (make_storage(tmp_path / name) for name in ("often", "seldom", "late"))
    jobs: Jobs = [
        (often, {"notice": 3, "validation_every": 1}),
        (seldom, {"notice": 2, "save_every": 2}),
        (late, {"notice": 6, "save_every": 1, "validation_every": 2}),
    ]
    assert launch(2, jobs) == [0, 0]
    found = [[s.read_json(f"notices/{rank}") for rank in range(2)] for s, _ in jobs]
    assert all(first == second for first, second in found)
    assert found[0][0] == {"asked": [1, 2, 3], "stopped": "saved after step 3 to make room"}
    assert found[1][0]["stopped"] == "saved after step 2 to make room"
    assert found[2][0] == {"asked": [1, 2, 3, 4, 5], "stopped": ""}
    assert [stored(s) for s, _ in jobs] == [[3], [2], [6]]
