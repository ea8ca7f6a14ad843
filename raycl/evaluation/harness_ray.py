"""Scores states in the harness: one Ray task for each, on one CPU or one GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.cluster.worker_needs import WorkerNeeds
from raycl.evaluation.store import TaskScores
from raycl.evaluation.wanted_tasks import WantedTasks
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


class StateScorer:
    """Scores states in the tasks of a search's objective, while the caller does something else.

    The process is connected to a Ray cluster. Each state takes what one worker needs.
    """

    def __init__(self, storage: Storage, wanted: WantedTasks, needs: WorkerNeeds) -> None:
        import ray

        asked: dict[str, Any] = {"num_cpus": 1, "num_gpus": 1 if needs.gpus else 0}
        if needs.accelerator:
            asked["accelerator_type"] = needs.accelerator
        remote: Any = cast(Any, ray.remote)(max_retries=2, **asked)(_score_wanted)
        self._begin: Callable[[str], Any] = lambda state: remote.remote(storage, state, wanted)
        self._pending: dict[Any, str] = {}

    def start(self, state: str) -> None:
        """Begin to score a state; returns at once."""
        self._pending[self._begin(state)] = state

    def ended(self) -> dict[str, str]:
        """The states that have ended since the last call, each with the reason if it has failed."""
        import ray

        if not self._pending:
            return {}
        done, _ = ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)
        return {self._pending.pop(reference): _reason(reference) for reference in done}

    def cancel(self) -> None:
        """Have what is not scored yet stopped; what is scored stays."""
        import ray

        for reference in self._pending:
            ray.cancel(reference, force=True)
        self._pending.clear()


def _reason(reference: Any) -> str:
    """Why a task has failed, in one line; empty where it has not."""
    import ray

    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        lines = str(cause).strip().splitlines()
        return lines[0] if lines else type(cause).__name__
    except ray.exceptions.RayError as error:  # its process died, even when it was tried again
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ""


def _score_wanted(storage: Storage, name: str, wanted: WantedTasks) -> None:
    from raycl.evaluation.harness import score_wanted

    score_wanted(storage, name, wanted)
