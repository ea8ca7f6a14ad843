"""A start on several workers, in real processes."""

from __future__ import annotations

from pathlib import Path

import benchmarks.start_memory as starts
import tests.helpers.worker_processes  # noqa: F401  its server makes processes begin sooner
from raycl.storage import Storage


def test_ranks_hold_their_share_of_the_same_weights(tmp_path: Path) -> None:
    """From a seed, by the rules of a class, and from a checkpoint; models of 20M parameters.

    On any number of ranks the weights are the same. Each of four ranks holds a quarter of them,
    and beside it what is drawn or read at the moment: at most a tenth of the model. A rank that had
    the whole model at any time would take as much as the only one of one does.
    """
    storage = Storage(tmp_path / "storage")
    specs = list(starts.specs(256, storage, tmp_path).values())
    (alone,), two, four = (starts.started(specs, storage, ranks) for ranks in (1, 2, 4))
    for report in (*two, *four):
        assert [start.weights for start in report] == [start.weights for start in alone]
    for number, start in enumerate(alone):
        most_of_two, most_of_four = (max(r[number].peak for r in ranks) for ranks in (two, four))
        assert most_of_two < 0.75 * start.peak
        assert most_of_four < 0.5 * start.peak
