"""A merge that is only tried has the losses of the stored one, and leaves no state."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.evaluation.merged_losses import MergeTask, make_and_measure, measure_unmade
from raycl.plan.merge_method import MergeMethod
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from tests.helpers.training_runs import make_storage, make_task, run

BASE, END = (make_task().chain.name(step) for step in (2, 4))
ROWS = ({"new": 4, "older": 3}, {"new": 5})


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = make_storage(tmp_path)
    run(storage, stop=2)
    run(storage, start=2, stop=4)
    return storage


def task(*weights: str) -> MergeTask:
    method = MergeMethod("task-arithmetic", weights=tuple(map(Fraction, weights)))
    return MergeTask("x", BASE, (END, BASE), method, ROWS)


@pytest.mark.parametrize("weights", [("0.3", "0.7"), ("1.2", "-0.5")])
def test_the_losses_are_those_of_the_stored_merge_to_the_bit(
    storage: Storage, weights: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(complete_states(storage))
    tried = measure_unmade(storage, task(*weights))
    assert set(complete_states(storage)) == before
    assert set(storage.list("evaluations")) == {tried[0]}
    with monkeypatch.context() as patched:  # what storage holds is not measured again
        patched.setattr("raycl.evaluation.losses._measure", None)
        assert measure_unmade(storage, task(*weights)) == tried
    storage.remove_folder(f"evaluations/{tried[0]}")
    assert make_and_measure(storage, task(*weights)) == tried
    assert set(complete_states(storage)) == before | {tried[0]}


def test_models_that_do_not_fit_are_refused(storage: Storage) -> None:
    with pytest.raises(InputError, match=r"weights 0.1,0.2,0.3.*3 weights for 2 models"):
        measure_unmade(storage, task("0.1", "0.2", "0.3"))
