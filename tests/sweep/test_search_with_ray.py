"""A whole search on a real Ray: proposals, rungs, a second run, and thawing without loss."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from raycl.recipe.definition import define
from raycl.recipe.proposals import read_proposals
from raycl.results.table import read_results
from raycl.storage import Storage, layout
from raycl.sweep.pipeline import sweep
from tests.helpers import second_search
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until
from tests.helpers.workspace import SCHEDULE, make_workspace, recipe, write
from tests.sweep.test_sweep import assert_nothing_is_held

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

STAGES = [
    {"name": "old", "steps": 2, "schedule": SCHEDULE},
    {"name": "new", "steps": 8, "replay": "25%", "schedule": SCHEDULE},
]
STOPPING = {"kind": "asha", "stage": "new", "first": "2 steps", "factor": 3, "metric": "average"}
SEARCH = {"sampler": "tpe", "trials": 4, "early_stopping": STOPPING}
SWEPT = {"new.schedule.max_lr": {"log": ["1e-4", "1e-2"]}}


def searched(folder: Path, storage: Storage, **search: object) -> tuple[dict[str, str], list[str]]:
    """The status of each recipe and what was told; fields of the search that are None are left."""
    found = {key: value for key, value in {**SEARCH, **search}.items() if value is not None}
    write(folder, recipe(stages=STAGES, sweep=SWEPT, search=found))
    told: list[str] = []
    result = sweep(define(folder / "recipe.yaml"), storage, report=told.append)
    assert result.failed == {}
    table = result.table
    return dict(zip(table["state"].map(str), table["status"].map(str), strict=True)), told


def weights(storage: Storage, state: str) -> dict[str, bytes]:
    files = [name for name in storage.list(layout.state(state)) if name.endswith(".safetensors")]
    return {name: storage.read_bytes(f"{layout.state(state)}/{name}") for name in files}


@pytest.mark.usefixtures("ray_cluster")
def test_a_search_stops_poor_recipes_goes_on_and_thaws_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    storage = Storage(tmp_path / "runs")
    found, told = searched(tmp_path, storage)
    assert sorted(found.values()) == ["finished"] + ["stopped"] * 3
    assert sum("finished" in sentence for sentence in told) >= 1 + 4 + 2
    assert_nothing_is_held()

    again, told = searched(tmp_path, storage)
    assert again == found
    assert [text for text in told if "  started" in text or "  finished" in text] == []

    thawed, told = searched(tmp_path, storage, early_stopping=None)
    assert list(thawed.values()) == ["finished"] * 4
    assert not any("  new 2–4" in text for text in told)  # each goes on from its rung

    plain = Storage(tmp_path / "plain")
    for folder in ("corpora", "tokenizers", layout.sweep_proposals("small")):
        if (source := tmp_path / "runs" / folder).exists():
            shutil.copytree(source, tmp_path / "plain" / folder)
    alone, _ = searched(tmp_path, plain, early_stopping=None)
    assert alone.keys() == thawed.keys()
    for state in alone:
        assert weights(storage, state) == weights(plain, state)
        assert weights(storage, state)


@pytest.mark.usefixtures("ray_cluster")
def test_two_commands_search_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    storage = Storage(tmp_path / "runs")
    write(tmp_path, recipe(stages=STAGES, sweep=SWEPT, search=SEARCH))
    address, log = ray.get_runtime_context().gcs_address, tmp_path / "second.log"
    command = [sys.executable, "-m", second_search.__name__, storage.url, address]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as second:
        try:
            wait_until(
                lambda: storage.list(layout.QUEUE) or second.poll() is not None,
                "the second is there",
            )
            found, told = searched(tmp_path, storage)
            assert second.wait(PATIENCE_SECONDS) == 0, log.read_text()
        finally:
            second.kill()
    proposed = [str(made.fields) for made in read_proposals(storage, "small")]
    assert len(proposed) == len(set(proposed)) == 4
    lines = "\n".join((*told, *log.read_text().splitlines()))
    ends = re.findall(r"^[-\d]+ [:\d]+  (.+)  finished", lines, re.MULTILINE)
    assert len(ends) == len(set(ends))  # each node was trained by one of them
    assert len(ends) >= 1 + 4 + 2
    theirs, ours = pd.read_parquet("second.parquet"), read_results(storage, "small")
    assert dict(zip(ours["state"], ours["status"], strict=True)) == found
    pd.testing.assert_frame_equal(theirs, ours, check_dtype=False)
    assert storage.sizes(layout.QUEUE) == storage.sizes(layout.LEASES) == {}
    assert_nothing_is_held()
