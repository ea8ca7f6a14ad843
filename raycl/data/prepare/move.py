"""Documents change their split where the corpora of a recipe have agreed on another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from raycl.data.document_hashes import SplitHashes
from raycl.data.prepare import ray_tasks
from raycl.data.prepare.agreement import moves_key
from raycl.data.prepare.plan import Job, PreparationPlan, Progress, key_of
from raycl.data.prepare.unwritten import Unwritten
from raycl.errors import InputError
from raycl.storage import Storage, layout

_MOVES = "moves"


def move_documents(
    plan: PreparationPlan, moves: SplitHashes, report: Progress
) -> tuple[Job, list[str]]:
    """The job and the spool files to pack from, with some documents in the other split.

    Only units that hold such a document are written again, one Ray task each. Raises InputError
    where units are missing that were complete.
    """
    job = plan.job
    done = job.spool.done()
    if len(done) < len(plan.units):
        raise spool_is_gone(job.spec.name)
    key = moves_key(moves)
    if not key:
        parts = [job.spool.part(unit, n) for unit, count in done.items() for n in range(count)]
        return job, parts
    folder = layout.moved_documents(job.spool.folder, key)
    target = replace(job, key=key_of([job.key, key]), spool=replace(job.spool, folder=folder))
    job.storage.write_bytes(f"{folder}/{_MOVES}", moves.to_bytes())
    affected = {unit for unit in done if _is_affected(job, unit, moves)}
    missing = [
        {"unit": unit, "parts": done[unit]}
        for unit in sorted(affected - target.spool.done().keys())
    ]
    for count, _ in enumerate(ray_tasks.run_tasks(partial(_move_unit, job, target), missing), 1):
        report("move", count, len(missing))
    parts = [
        (target if unit in affected else job).spool.part(unit, part)
        for unit, count in done.items()
        for part in range(count)
    ]
    return target, parts


def _is_affected(job: Job, unit: int, moves: SplitHashes) -> bool:
    found = job.spool.hashes([unit]).read(0)
    return bool(
        np.isin(found.train, moves.held_out).any() or np.isin(found.held_out, moves.train).any()
    )


def _move_unit(job: Job, target: Job, item: dict[str, Any]) -> dict[str, Any]:
    with needs_spool(job):
        moves = _stored_moves(job.storage, f"{target.spool.folder}/{_MOVES}")
    unit, parts = item["unit"], item["parts"]
    with needs_spool(job):
        for part in range(parts):
            job.spool.move_part(job.spool.part(unit, part), target.spool.part(unit, part), moves)
    target.spool.finish(unit, parts, Unwritten())
    return {}


@contextmanager
def needs_spool(job: Job) -> Iterator[None]:
    """Raise InputError where a spool file is missing that the block reads."""
    try:
        yield
    except FileNotFoundError as error:
        raise spool_is_gone(job.spec.name) from error


def spool_is_gone(corpus: str) -> InputError:
    """The error where somebody removed the files of a preparation that goes on."""
    return InputError(
        f"corpus {corpus!r}", "the files of its unfinished preparation were removed", "Run it again"
    )


@lru_cache(maxsize=2)
def _stored_moves(storage: Storage, path: str) -> SplitHashes:
    return SplitHashes.from_bytes(storage.read_bytes(path), storage.full_path(path))
