"""A start on several workers, in real processes."""

from __future__ import annotations

from pathlib import Path

import benchmarks.start_memory as starts
import tests.helpers.worker_processes  # noqa: F401  its server makes processes begin sooner
from raycl.storage import Storage


def test_weights_are_the_same_on_any_number_of_ranks(tmp_path: Path) -> None:
    """From a seed, by the rules of a class, and from a checkpoint; models of 20M parameters."""
    storage = Storage(tmp_path / "storage")
    specs = list(starts.specs(256, storage, tmp_path).values())
    alone, *others = (starts.started(specs, storage, ranks) for ranks in (1, 2, 4))
    (expected,) = alone
    for reports in others:
        for report in reports:
            assert [start.weights for start in report] == [start.weights for start in expected]
