"""A start on several workers: each takes memory for its share, and the weights are the same."""

from __future__ import annotations

from pathlib import Path

import benchmarks.start_memory as starts
from raycl.storage import Storage
from tests.helpers import worker_processes  # its processes have torch and transformers imported


def test_memory_falls_with_the_number_of_ranks_and_weights_are_the_same(tmp_path: Path) -> None:
    """A model of 80 MiB or more, whose largest unit has 8; one that is made whole takes all."""
    assert worker_processes.launch
    storage = Storage(tmp_path / "storage")
    specs = list(starts.specs(256, storage, tmp_path).values())
    alone, *others = (starts.started(specs, storage, ranks) for ranks in (1, 2, 4))
    (expected,) = alone
    for reports in others:
        for report in reports:
            assert [start.weights for start in report] == [start.weights for start in expected]
    for report in others[-1]:
        for start, whole in zip(report, expected, strict=True):
            assert whole.peak > 76 * 2**20
            assert start.peak < whole.peak / 2
