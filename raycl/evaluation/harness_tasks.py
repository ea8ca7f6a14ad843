"""Tasks of lm-evaluation-harness with their data, loaded before any model is."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from raycl.errors import InputError
from raycl.evaluation.local_data import LocalData, content_digest
from raycl.evaluation.quiet import quiet
from raycl.evaluation.task_requests import TaskRequest

_SHOWN = 5


def task_manager(asked: Sequence[TaskRequest]) -> Any:
    """The harness' index of the tasks that are asked for.

    Raises InputError where one is unknown, or has no score of its own.
    """
    # Set before the harness is imported, so that it neither logs nor starts threads of its own.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.tasks import TaskManager

    folders = sorted({request.folder for request in asked if request.folder})
    # The harness has thousands of tasks of its own. Reading them takes seconds, so it is done only
    # where one of them is asked for.
    own = any(request.folder is None for request in asked)
    manager = TaskManager(include_path=list(folders), include_defaults=own)
    for request in asked:
        _check_known(request.name, manager)
    return manager


def load_tasks(
    asked: Sequence[TaskRequest], manager: Any, data: LocalData | None
) -> tuple[dict[TaskRequest, Any], dict[TaskRequest, str | None]]:
    """The harness' object of each task or group with its data, and the digest of its content.

    The digest of a task without content of its own is None. Raises InputError where data cannot be
    got.
    """
    tasks: dict[TaskRequest, Any] = {}
    digests: dict[TaskRequest, str | None] = {}
    for request in asked:
        if data is None:
            tasks[request], digests[request] = _loaded(request, manager), request.digest
            continue
        with data.noted() as used:
            tasks[request] = _loaded(request, manager)
        digests[request] = _digest(request.digest, used)
    return tasks, digests


def _loaded(request: TaskRequest, manager: Any) -> Any:
    try:
        with quiet():
            found = manager.load([request.name])
    except (OSError, ConnectionError) as error:  # `datasets` and the hub client raise it offline
        raise InputError(
            f"--tasks {request.name!r}",
            f"its data cannot be got ({str(error).strip().splitlines()[0]})",
            "Run it once with a network, set HF_HOME to where the data is, give copies of the data "
            "sets with --data, or use local tasks",
        ) from error
    return found.get("groups", {}).get(request.name) or found["tasks"][request.name]


def _digest(own: str | None, used: Mapping[str, Any]) -> str | None:
    """One digest of a task's own content and that of its data sets."""
    if not used:
        return own
    content = content_digest(used)
    return hashlib.sha256(f"{own} {content}".encode()).hexdigest() if own else content


def _check_known(name: str, manager: Any) -> None:
    where = f"--tasks {name!r}"
    if name not in manager.all_tasks:
        close = ", ".join(get_close_matches(name, manager.all_tasks)) or "see `lm_eval ls tasks`"
        raise InputError(where, "the harness has no such task", close)
    entry = manager.task_index[name]
    if name in manager.all_tags:
        raise InputError(where, "a tag of tasks, without a score", _names(sorted(entry.tags)))
    if name in manager.all_groups and not (entry.cfg or {}).get("aggregate_metric_list"):
        members = (entry.cfg or {}).get("task") or ()
        named = [m if isinstance(m, str) else m.get("task") or m.get("group") for m in members]
        raise InputError(where, "a group of tasks, without a score of its own", _names(named))


def _names(names: Sequence[str | None]) -> str:
    shown = [str(name) for name in names if name]
    return f"Name its tasks: {', '.join(shown[:_SHOWN])}{', …' if len(shown) > _SHOWN else ''}"
