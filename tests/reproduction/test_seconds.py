"""The time of all runs together, kept in storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.reproduction.seconds import add_seconds, training_seconds
from raycl.storage import Storage

PATH = "reproduction/seconds.json"


def test_the_runs_of_a_storage_are_summed(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert training_seconds(storage) == 0
    add_seconds(storage, 1.5)
    add_seconds(storage, 2)
    assert training_seconds(storage) == 3.5


def test_a_file_without_a_format_is_read(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_json(PATH, {"seconds": 60})
    add_seconds(storage, 1)
    assert training_seconds(storage) == 61


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_json(PATH, {"seconds": "60"})
    with pytest.raises(InputError, match=r"seconds\.json: not the time .*Remove the file"):
        training_seconds(storage)
