"""Trackers are found by name."""

from __future__ import annotations

import pytest
from ray import tune
from ray.tune.logger import TBXLoggerCallback

from raycl.errors import InputError
from raycl.sweep import trackers


def test_tensorboard_is_the_default() -> None:
    (callback,) = trackers.tracker_callbacks()
    assert isinstance(callback, TBXLoggerCallback)


def test_another_tracker_is_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    class Heard(tune.Callback):
        """What a tracker of somebody's own would be."""

    monkeypatch.setitem(trackers.TRACKERS, "mine", lambda: [Heard()])
    found = trackers.tracker_callbacks(("mine", "tensorboard"))
    assert [type(callback) for callback in found] == [Heard, TBXLoggerCallback]


def test_unknown_trackers_are_refused() -> None:
    with pytest.raises(InputError, match=r"'nobody': not known\. Known: tensorboard"):
        trackers.tracker_callbacks(("nobody",))
