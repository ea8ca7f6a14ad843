"""Scores several states in the harness at once: one Ray task for each, on one CPU or one GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.evaluation.store import TaskScores
from raycl.storage import Storage

Scores = dict[str, TaskScores]


def score_states(  # noqa: PLR0913 (the parameters of score_state, and the cluster)
    storage: Storage,
    names: Sequence[str],
    words: Sequence[str],
    corpora: Sequence[str] | None,
    limit: int | None,
    options: ClusterOptions,
    report: Callable[[str], None],
    data: Path | None = None,
) -> dict[str, Scores]:
    """The scores of every state, by name. Raises what the first failed task raised."""
    with cluster(options):
        import ray

        remote: Any = ray.remote(num_cpus=1, num_gpus=1 if options.gpus else 0, max_retries=2)(
            _score
        )
        pending = {remote.remote(storage, n, words, corpora, limit, data): n for n in names}
        scores: dict[str, Scores] = {}
        while pending:
            # One at a time, so that progress is reported and an error ends the wait at once.
            (done,), _ = ray.wait(list(pending), num_returns=1)
            name = pending.pop(done)
            try:
                scores[name] = ray.get(done)
            except ray.exceptions.RayTaskError as error:
                # The user needs the task's own error, such as an InputError, without Ray's frame.
                raise error.cause from None
            report(f"{len(scores)} of {len(names)}: {name}")
    return {name: scores[name] for name in names}


def _score(
    storage: Storage,
    name: str,
    words: Sequence[str],
    corpora: Sequence[str] | None,
    limit: int | None,
    data: Path | None,
) -> Scores:
    # Imported in the task: the process that starts the tasks needs neither torch nor the harness.
    from raycl.evaluation.harness import score_state

    return score_state(storage, name, words, corpora, limit, data=data)
