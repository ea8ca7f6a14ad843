"""Measures merges on the rows of a training: stored ones, and ones that are only tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from raycl.evaluation.losses import evaluate_state, model_losses
from raycl.plan.merge_method import MergeMethod
from raycl.storage import Storage, layout
from raycl.train.checkpoint.load import check_fits
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.checkpoint.tensors import named_tensors
from raycl.train.model.documents import Borders
from raycl.train.model.language_model import LanguageModel
from raycl.train.start.fill import whole_model
from raycl.weights.merge import Merge, merge_states, planned_merge


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

    def evaluate(corpora: Sequence[str], count: int) -> dict[str, float]:
        return evaluate_state(storage, state, corpora, count)

    return state, [_measured(evaluate, rows) for rows in task.rows]


def measure_unmade(storage: Storage, task: MergeTask) -> tuple[str, list[dict[str, float]]]:
    """`make_and_measure` of a merge that is only tried: its losses are stored, its weights are not.

    The losses have the bits that those of the stored merge would have. Memory holds one model and
    slices of the others. Raises InputError likewise.
    """
    made = planned_merge(storage, task.base, task.states, task.method)
    facts = StoredState(made.name, 0, made.mark)

    def build(length: int, attention: Sequence[str], borders: Borders | None) -> LanguageModel:
        return _in_memory(storage, made, length, attention, borders)

    def evaluate(corpora: Sequence[str], count: int) -> dict[str, float]:
        return model_losses(storage, facts, corpora, count, build)

    return made.name, [_measured(evaluate, rows) for rows in task.rows]


def _in_memory(
    storage: Storage, made: Merge, length: int, attention: Sequence[str], borders: Borders | None
) -> LanguageModel:
    """The merged model, whole and in float32 on the CPU."""
    merged = made.weights()
    model = whole_model(made.mark.model, length, None, attention, borders)
    tensors = named_tensors(model, None)
    check_fits(merged.facts, model, tensors, storage.full_path(layout.state(made.name)))
    merged.fill(tensors)
    return model


def _measured(
    evaluate: Callable[[Sequence[str], int], dict[str, float]], rows: Mapping[str, int]
) -> dict[str, float]:
    """The losses on as many rows of each corpus; the model is loaded once a number."""
    losses: dict[str, float] = {}
    for count in sorted(set(rows.values())):
        losses |= evaluate([corpus for corpus in rows if rows[corpus] == count], count)
    return losses
