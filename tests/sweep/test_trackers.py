"""Trackers are found by name, and write their own files only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ray import tune

from raycl.errors import InputError
from raycl.sweep import trackers


def test_tensorboard_is_the_default(tmp_path: Path) -> None:
    (callback,) = trackers.tracker_callbacks(tmp_path)
    assert isinstance(callback, trackers.TensorBoard)


class Trial:
    """As much of a Tune trial as its logger asks for."""

    def __init__(self) -> None:
        self.evaluated_params = {"rate": 0.1}

    def __str__(self) -> str:
        return "new-000000-000020-abc"


def test_event_files_are_all_that_tensorboard_writes(tmp_path: Path) -> None:
    (callback,) = trackers.tracker_callbacks(tmp_path / "tensorboard")
    trial: Any = Trial()
    for step in (1, 2):
        callback.on_trial_result(step, [], trial, {"loss": 1.0, "training_iteration": step})
        callback.on_trial_start(step, [], trial)  # again: a second file, nothing lost
    callback.on_trial_complete(3, [], trial)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.parent for file in files} == {tmp_path / "tensorboard" / str(trial)}
    assert all(file.name.startswith("events.out.tfevents.") for file in files)
    assert b"ray/tune/loss" in b"".join(file.read_bytes() for file in files)


def test_another_tracker_is_a_function(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Heard(tune.Callback):
        """What a tracker of somebody's own would be."""

    monkeypatch.setitem(trackers.TRACKERS, "mine", lambda _: [Heard()])
    found = trackers.tracker_callbacks(tmp_path, ("mine", "tensorboard"))
    assert [type(callback) for callback in found] == [Heard, trackers.TensorBoard]


def test_unknown_trackers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'nobody': not known\. Known: tensorboard"):
        trackers.tracker_callbacks(tmp_path, ("nobody",))
