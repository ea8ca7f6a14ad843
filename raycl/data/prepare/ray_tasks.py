"""Runs tasks on Ray Data. No other module of preparation knows Ray."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from raycl.errors import InputError

Task = Callable[[dict[str, Any]], dict[str, Any]]


def run_tasks(task: Task, items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Run `task` on every item, each with one CPU; yields results in the order of completion.

    Raises the InputError of a task that fails with one.
    """
    if not items:
        return
    import ray

    with _quiet_ray_data():
        dataset = ray.data.from_items(items, override_num_blocks=len(items))
        for row in dataset.map(partial(_guarded, task), num_cpus=1).iter_rows():
            if row["error"]:
                raise InputError(*json.loads(row["error"]))
            yield json.loads(row["result"])


def _guarded(task: Task, item: dict[str, Any]) -> dict[str, str]:
    # The error travels as a value: Ray would wrap an exception in its own, with two tracebacks.
    try:
        return {"result": json.dumps(task(item)), "error": ""}
    except InputError as error:
        return {"result": "", "error": json.dumps([error.where, error.problem, error.remedy])}


@contextlib.contextmanager
def _quiet_ray_data() -> Iterator[None]:
    from ray.data import DataContext
    from ray.util.debug import log_once

    # Ray shows its hint on how to enable progress bars once: this call uses that up.
    log_once("ray_data_progress_manager_disabled")
    context, logger = DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, logger.level
    context.enable_progress_bars = False
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        context.enable_progress_bars = before[0]
        logger.setLevel(before[1])
