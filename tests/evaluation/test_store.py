"""What was measured on states is kept, and read from files of every format."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.evaluation.store import (
    TaskScores,
    add_losses,
    read_losses,
    read_task,
    read_tasks,
    write_task,
)
from raycl.storage import Storage
from raycl.storage.record import parse_record, sealed

LOSSES = "evaluations/s/losses.json"
TASK = "evaluations/s/tasks/cloze.json"
LIST: list[dict[str, Any]] = [{"corpus": "new", "fingerprint": "f", "rows": 4, "loss": 2.5}]
SCORES: dict[str, Any] = {
    "task": "cloze",
    "shots": None,
    "limit": 20,
    "harness": "0.4.13",
    "digest": "d",
    "metrics": {"acc": 1, "acc_norm": 0.5},
    "errors": {},
}


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def test_losses_in_a_bare_list_are_read_and_added_to(storage: Storage) -> None:
    storage.write_json(LOSSES, LIST)
    add_losses(storage, "s", {("old", "g", 8): math.inf, ("new", "f", 4): 2.25})
    assert read_losses(storage, "s") == {("new", "f", 4): 2.25, ("old", "g", 8): math.inf}
    assert storage.read_json(LOSSES)["format"] == 3


def test_evaluations_of_two_states_exchanged(storage: Storage) -> None:
    scores = parse_record(json.dumps(SCORES).encode(), TaskScores, "")
    for state, loss in (("s", 2.0), ("t", 3.0)):
        add_losses(storage, state, {("new", "f", 4): loss})
        write_task(storage, state, scores)
    folders = [Path(storage.full_path(f"evaluations/{state}")) for state in "st"]
    folders[0].rename(folders[0].with_name("x"))
    folders[1].rename(folders[0])
    folders[0].with_name("x").rename(folders[1])
    for read in (read_losses, read_tasks):
        with pytest.raises(InputError, match=r"evaluations/s/.*: it was measured on the state 't'"):
            read(storage, "s")


def test_scores_in_the_file_of_another_task(storage: Storage) -> None:
    storage.write_json("evaluations/s/tasks/nq.json", SCORES)
    with pytest.raises(InputError, match=r"nq\.json: not the scores in the task 'nq'"):
        read_tasks(storage, "s")


def test_no_file_no_losses(storage: Storage) -> None:
    assert read_losses(storage, "s") == {}


@pytest.mark.parametrize("content", [None, {}, [[]], [{"corpus": "x"}], {"losses": LIST}], ids=str)
def test_what_are_no_losses_is_refused(storage: Storage, content: Any) -> None:
    storage.write_json(LOSSES, content)
    with pytest.raises(InputError, match=r"losses\.json: not the measured losses") as caught:
        read_losses(storage, "s")
    assert caught.value.remedy == "Remove the file and run `raycl evaluate` again"


@pytest.mark.parametrize("content", [SCORES, sealed(SCORES), sealed({**SCORES, "format": 1})])
def test_scores_with_and_without_a_format(storage: Storage, content: Any) -> None:
    storage.write_json(TASK, content)
    scores = read_task(storage, "s", "cloze")
    assert scores is not None
    assert (scores.limit, scores.main, scores.metrics["acc"]) == (20, "acc_norm", 1.0)
    assert read_tasks(storage, "s") == {"cloze (20 questions)": 0.5}


def test_damaged_scores_are_refused(storage: Storage) -> None:
    storage.write_json(TASK, {**sealed(SCORES), "limit": 21})
    with pytest.raises(InputError, match="checksum"):
        read_tasks(storage, "s")
