"""What a stored score must agree with to be the one that is asked for. Needs neither torch nor Ray.

A scheme is the record of a task's scores without its results.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from raycl.errors import InputError
from raycl.evaluation.store import TaskScores, read_task
from raycl.evaluation.task_requests import TaskRequest
from raycl.libraries import how_to_install
from raycl.storage import Storage

Schemes = Mapping[TaskRequest, TaskScores]
"""For each task the record of its scores, still without results."""


def check_harness(where: str = "--tasks") -> str:
    """Version of the installed harness. Raises InputError where it is not installed."""
    try:
        return version("lm_eval")
    except PackageNotFoundError as error:
        raise InputError(
            where, "lm-evaluation-harness is not installed", f"Run {how_to_install('lm_eval')}"
        ) from error


def schemes(
    digests: Mapping[TaskRequest, str | None], limit: int | None, release: str
) -> dict[TaskRequest, TaskScores]:
    """The scheme of each task, from the digest of its content and the version of the harness."""
    return {
        request: TaskScores(
            task=request.name,
            shots=request.shots,
            limit=limit,
            harness=release,
            digest=digest,
            metrics={},
            errors={},
        )
        for request, digest in digests.items()
    }


def stored_scores(
    storage: Storage, name: str, asked: Schemes
) -> tuple[dict[str, TaskScores], dict[TaskRequest, TaskScores]]:
    """Stored scores of a state by task, and the schemes of tasks that have none.

    Raises InputError where a file of scores is damaged.
    """
    # Stored scores hold for a request if everything but the results is the same.
    empty: dict[str, Any] = {"metrics": {}, "errors": {}, "state": None}
    scores: dict[str, TaskScores] = {}
    missing = {}
    for request, scheme in asked.items():
        kept = read_task(storage, name, request.name)
        if kept and kept.model_copy(update=empty) == scheme:
            scores[request.name] = kept
        else:
            missing[request] = scheme
    return scores, missing
