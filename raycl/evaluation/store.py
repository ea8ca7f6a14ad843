"""Keeps in storage what was measured on states after their training, and reads it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.record import Part, Record, find_record, write_record

Measured = tuple[str, str, int]
"""Name of a corpus, its fingerprint, and the number of validation rows."""

# The metric that stands for a task is the first of these that the task has.
_MAIN = ("acc_norm", "acc", "exact_match", "bits_per_byte")
_MEASURE_AGAIN = "Remove the file and run `raycl evaluate` again"


class MeasuredLoss(Part):
    """A state's mean loss on the first `rows` validation rows of a corpus with this content."""

    corpus: str
    fingerprint: str
    rows: int
    loss: float
    """Nats per token."""


class MeasuredLosses(Record):
    """All losses that were measured on a state.

    In format 1 the file is a bare list; format 2 does not name the state.
    """

    FORMAT: ClassVar[int] = 3
    WHAT: ClassVar[str] = "the measured losses of a state"
    REMEDY: ClassVar[str] = _MEASURE_AGAIN

    losses: Annotated[tuple[MeasuredLoss, ...], Field(min_length=1)]
    state: str | None = None
    """The name of the state; None in older files."""

    @classmethod
    def upgraded(cls, data: Any, written: int) -> Any:
        """Put the bare list of format 1 into a mapping; format 2 is one without the state."""
        return {"losses": data} if written == 1 else data


class TaskScores(Record):
    """A state's scores in a task of lm-evaluation-harness, and every setting they depend on.

    Format 1 does not name the state.
    """

    FORMAT: ClassVar[int] = 2
    WHAT: ClassVar[str] = "the scores of a state in a task"
    REMEDY: ClassVar[str] = _MEASURE_AGAIN

    task: str
    shots: int | None
    """Number of examples before each question; None: the task's own number."""
    limit: int | None
    """Number of questions that were asked; None: all."""
    harness: str
    """Version of lm-evaluation-harness."""
    digest: str | None
    """Hash of a local task's content and of the local copies of data sets that it reads; None where
    both are the harness' or the hub's own."""
    metrics: Mapping[str, float]
    errors: Mapping[str, float]
    """Standard errors of the metrics that have one."""
    state: str | None = None
    """The name of the state; None in older files, and where nothing was stored yet."""

    @property
    def title(self) -> str:
        """The task's name, and the number of questions where it was limited.

        Scores with different limits cannot be compared, so they need different titles.
        """
        return self.task if self.limit is None else f"{self.task} ({self.limit} questions)"

    @property
    def main(self) -> str:
        """The name of the metric to show: accuracy by the choices' length, where there is one."""
        plain = {name.partition(",")[0]: name for name in reversed(list(self.metrics))}
        return next((plain[name] for name in _MAIN if name in plain), next(iter(self.metrics)))


def read_task(storage: Storage, state: str, task: str) -> TaskScores | None:
    """The stored scores of a state in a task; None where it was not scored.

    Raises InputError where the file is damaged, or is that of another state or task.
    """
    path = layout.evaluated_task(state, task)
    found = find_record(storage, path, TaskScores)
    if found is not None:
        _check_state(storage, path, found.state, state)
        if found.task != task or not found.metrics:
            where = storage.full_path(path)
            raise InputError(where, f"not the scores in the task {task!r}", _MEASURE_AGAIN)
    return found


def _check_state(storage: Storage, path: str, named: str | None, state: str) -> None:
    """Raise InputError where a file of evaluations names another state than its folder."""
    if named not in (None, state):
        problem = f"it was measured on the state {named!r}"
        raise InputError(storage.full_path(path), problem, _MEASURE_AGAIN)


def write_task(storage: Storage, state: str, scores: TaskScores) -> None:
    """Store the scores of a state in a task; they replace older ones."""
    named = scores.model_copy(update={"state": state})
    write_record(storage, layout.evaluated_task(state, scores.task), named)


def read_tasks(storage: Storage, state: str) -> dict[str, float]:
    """The main metric of every task that the state was scored in; a limit is part of the name."""
    files = storage.list(layout.evaluated_tasks(state))
    names = [file.removesuffix(".json") for file in files if file.endswith(".json")]
    found = [read_task(storage, state, name) for name in names]
    return {scores.title: scores.metrics[scores.main] for scores in found if scores}


def read_losses(storage: Storage, state: str) -> dict[Measured, float]:
    """All stored losses of a state, in nats/token; empty where none was measured."""
    path = layout.evaluated_losses(state)
    found = find_record(storage, path, MeasuredLosses)
    if found is not None:
        _check_state(storage, path, found.state, state)
    entries = found.losses if found else ()
    return {(entry.corpus, entry.fingerprint, entry.rows): entry.loss for entry in entries}


def add_losses(storage: Storage, state: str, losses: Mapping[Measured, float]) -> None:
    """Store losses of a state beside those that are stored already."""
    entries = tuple(
        MeasuredLoss(corpus=corpus, fingerprint=fingerprint, rows=rows, loss=loss)
        for (corpus, fingerprint, rows), loss in {**read_losses(storage, state), **losses}.items()
    )
    write_record(
        storage, layout.evaluated_losses(state), MeasuredLosses(losses=entries, state=state)
    )
