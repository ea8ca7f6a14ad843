"""Makes a merged state, unless it is there, and measures it on the rows of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raycl.evaluation.losses import evaluate_state
from raycl.plan.merge_method import MergeMethod
from raycl.storage import Storage
from raycl.weights.merge import merge_states


@dataclass(frozen=True)
class MergeTask:
    """A merge to make, and the rows to measure it on; plain data that can be sent to a worker."""

    label: str
    """What it is called in messages."""
    base: str
    states: tuple[str, ...]
    method: MergeMethod
    rows: tuple[Mapping[str, int], ...]
    """Validation rows by corpus; several where it is measured more than once."""


def make_and_measure(storage: Storage, task: MergeTask) -> tuple[str, list[dict[str, float]]]:
    """The name of the merged state, and its losses (nats/token) for each of the task's rows.

    What storage holds already is neither made nor measured again. Raises InputError where the
    models do not fit each other, and as `evaluate_state`.
    """
    state = merge_states(storage, task.base, task.states, task.method)
    return state, [_measured(storage, state, rows) for rows in task.rows]


def _measured(storage: Storage, state: str, rows: Mapping[str, int]) -> dict[str, float]:
    """The losses on as many rows of each corpus; the model is loaded once a number."""
    losses: dict[str, float] = {}
    for count in sorted(set(rows.values())):
        corpora: Sequence[str] = [corpus for corpus in rows if rows[corpus] == count]
        losses |= evaluate_state(storage, state, corpora, count)
    return losses
