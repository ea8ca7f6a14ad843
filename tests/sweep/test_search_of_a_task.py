"""A search for a task's score on a real Ray: it is measured beside the training, on one CPU."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from raycl.evaluation.store import read_task
from raycl.results.named_state import named_state
from raycl.results.table import read_results
from raycl.storage import Storage, layout
from tests.helpers.workspace import SCHEDULE, make_workspace, recipe, write

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        importlib.util.find_spec("lm_eval") is None, reason="lm_eval (extra `evaluation`)"
    ),
]
TASK = "bits_per_byte_new"
STAGES = [{"name": name, "steps": 2, "schedule": SCHEDULE} for name in ("old", "new")]
SEARCH = {
    "sampler": "random",
    "trials": 2,
    "objective": {"minimize": f"task/{TASK}"},
    "tasks": {"limit": 3},
}


def run(folder: Path) -> str:
    """`raycl sweep` with an embedded cluster of one CPU; what it said."""
    words = ["sweep", "recipe.yaml", "--storage", "runs", "--workers", "1"]
    command = [sys.executable, "-m", "raycl", *words]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_search_measures_its_task_before_it_proposes(tmp_path: Path) -> None:
    """On one CPU, a score has no place but the one that a training leaves."""
    make_workspace(tmp_path)
    swept = {"new.schedule.max_lr": {"log": ["1e-4", "1e-1"]}}
    write(tmp_path, recipe(stages=STAGES, sweep=swept, search=SEARCH))
    run(tmp_path)
    storage = Storage(tmp_path / "runs")
    table = read_results(storage, "small").set_index("recipe")
    scores = table[f"task/{TASK} (3 questions)"]
    assert len(scores) == 2
    assert scores.notna().all()
    best = named_state(storage, "best", "small").state
    assert best == table.loc[str(scores.idxmin()), "state"]
    found = [read_task(storage, str(state), TASK) for state in table["state"]]
    assert [each.limit for each in found if each is not None] == [3, 3]
    first = written(storage, layout.evaluated_task(str(table["state"].iloc[0]), TASK))
    second = written(storage, layout.sweep_proposal("small", 1))
    assert first < second  # the first score was known when the second recipe was proposed
    assert "Nothing to train" in run(tmp_path)
    assert written(storage, layout.evaluated_task(str(table["state"].iloc[0]), TASK)) == first


def written(storage: Storage, path: str) -> int:
    return Path(storage.full_path(path)).stat().st_mtime_ns
