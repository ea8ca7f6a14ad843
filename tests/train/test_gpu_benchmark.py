"""The benchmark for a GPU runs on any machine, without Ray and without boto3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

_WITHOUT_RAY = """
import sys
sys.modules.update(ray=None, boto3=None)
from benchmarks.gpu import main
main()
"""


@pytest.mark.slow
def test_the_smoke_size_measures_everything(tmp_path: Path) -> None:
    """A process of its own: here Ray is imported already, there it cannot be."""
    output = tmp_path / "gpu.json"
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_RAY, "--smoke", "--json", str(output)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(output.read_text())
    losses = found["a: losses"]["losses"]
    assert all(len(values) == 2 for values in losses.values())
    assert set(found["b: resume, largest difference"].values()) == {0.0}
    assert all(case["tokens/s"] > 0 for case in found["c: speed"].values())
    assert len(found["d: operations by time"]) == 15
    assert "seconds" in done.stdout
