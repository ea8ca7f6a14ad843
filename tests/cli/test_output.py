"""A command whose reader is gone goes on with its work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.made_up_sweeps import write_state
from raycl.recipe.definition import define
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.storage import Storage
from tests.helpers.fakes import make_corpus
from tests.helpers.paths import ROOT
from tests.helpers.recipe_data import recipe_data, write_recipe


def test_a_sweep_outlives_its_reader(tmp_path: Path) -> None:
    storage, recipe = Storage(tmp_path / "runs"), write_recipe(tmp_path, recipe_data())
    for name in ("old", "new"):
        make_corpus(storage, name)
    for node in plan_sweeps((define(recipe),), storage).tree.nodes:
        write_state(node.training, storage)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "raycl", "sweep", str(recipe), "--storage", storage.url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert storage.exists("sweeps/small/report.html")
