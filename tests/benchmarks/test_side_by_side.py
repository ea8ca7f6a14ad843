"""The comparison of training loops runs, and says what it left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT


@pytest.mark.slow
def test_the_smoke_size_compares_the_loops(tmp_path: Path) -> None:
    output = tmp_path / "speeds.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.side_by_side", "--smoke", "--json", str(output)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(output.read_text())
    for part, loops in {
        "1 process": {"raycl", "bare PyTorch"},
        "2 processes": {"raycl", "bare PyTorch, DDP"},
    }.items():
        assert {name for name, of in found[part].items() if isinstance(of, dict)} >= loops
        for clock in ("median", "median by CPU time"):
            assert all(found[part][loop][clock] > 0 for loop in loops)
    assert found["1 process"]["raycl, compiled"].startswith("left out")
    assert "raycl is" in done.stdout
