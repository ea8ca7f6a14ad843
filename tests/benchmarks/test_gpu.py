"""The benchmark for a GPU runs on any machine, without Ray and without boto3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.gpu.report import Bench, Report, Row, Section
from benchmarks.gpu.sections import SECTIONS
from benchmarks.gpu.sizes import SMOKE
from tests.helpers.paths import ROOT

_WITHOUT_RAY = """
import runpy, sys
sys.modules.update(ray=None, boto3=None)
runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
def test_the_smoke_size_measures_everything(tmp_path: Path) -> None:
    """A process of its own: here Ray is imported already, there it cannot be."""
    output = tmp_path / "gpu.json"
    subprocess.run(
        [sys.executable, "-c", _WITHOUT_RAY, "--smoke", "--json", str(output)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(output.read_text())
    assert [row for row in rows if row["name"] in ("failed", "cut off", "left out")] == []
    assert [row for row in rows if row["met"] is False] == []
    assert {row["section"] for row in rows} == {section.name for section in SECTIONS}
    values = {row["name"]: row["value"] for row in rows}
    assert values["loaded against saved"] == values["two steps later"] == 0
    assert values["change by a step with a loss of NaN"] == 0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(SMOKE, torch.device("cpu"), tmp_path)


def test_an_error_is_a_row_and_the_next_section_runs(bench: Bench, tmp_path: Path) -> None:
    def fails(_: Bench) -> Iterator[Row]:
        yield Row("before", 1)
        raise ValueError("no such kernel")

    report = Report(tmp_path / "gpu.json", seconds=60)
    report.run(Section("a", 10, fails), bench)
    report.run(Section("b", 10, lambda _: iter([Row("after", 2)])), bench)
    written = [(row["section"], row["name"]) for row in json.loads(report_text(tmp_path))]
    assert written == [
        ("a", "before"),
        ("a", "failed"),
        ("a", "seconds"),
        ("b", "after"),
        ("b", "seconds"),
    ]
    assert report.rows[1][1].value == "ValueError: no such kernel"


def test_a_section_ends_when_its_time_is_over(bench: Bench, tmp_path: Path) -> None:
    def endless(_: Bench) -> Iterator[Row]:
        yield Row("first", 1)
        while True:
            pass

    report = Report(tmp_path / "gpu.json", seconds=60)
    report.run(Section("a", 0.05, endless), bench)
    assert [row.name for _, row in report.rows] == ["first", "cut off", "seconds"]
    late = Report(None, seconds=0)
    late.run(Section("b", 10, endless), bench)
    assert [row.name for _, row in late.rows] == ["left out"]


def report_text(folder: Path) -> str:
    return (folder / "gpu.json").read_text(encoding="utf-8")
