"""What was measured on stored states after their training, kept in storage and read again.

`evaluations/<state>/losses.json` is a list of {corpus, fingerprint, rows, loss}: the loss in
nats/token on the first `rows` validation rows of the corpus with that content.
`evaluations/<state>/tasks/<task>.json` holds the scores of a task of lm-evaluation-harness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from raycl.storage import Storage

EVALUATIONS = "evaluations"
Measured = tuple[str, str, int]
"""Name of a corpus, its fingerprint, and the number of validation rows."""

_MAIN = ("acc_norm", "acc", "exact_match", "bits_per_byte")


@dataclass(frozen=True)
class TaskScores:
    """What a state scored in a task, and all that decided it."""

    task: str
    shots: int | None
    limit: int | None
    harness: str
    """Version of lm-evaluation-harness."""
    digest: str | None
    """Hash of a local task's content."""
    metrics: Mapping[str, float]
    errors: Mapping[str, float]
    """Standard errors of the metrics that have one."""

    @property
    def title(self) -> str:
        """The task, and how many questions of it where not all: such scores do not compare."""
        return self.task if self.limit is None else f"{self.task} ({self.limit} questions)"

    @property
    def main(self) -> str:
        """The metric to show: accuracy per length of the choices, where there is one."""
        plain = {name.partition(",")[0]: name for name in reversed(list(self.metrics))}
        return next((plain[name] for name in _MAIN if name in plain), next(iter(self.metrics)))


def read_task(storage: Storage, state: str, task: str) -> TaskScores | None:
    """The scores kept for a state and task, if there are any."""
    try:
        return TaskScores(**storage.read_json(_task_path(state, task)))
    except FileNotFoundError:
        return None


def write_task(storage: Storage, state: str, scores: TaskScores) -> None:
    """Keep the scores of a state in a task, in the place of older ones."""
    storage.write_json(_task_path(state, scores.task), asdict(scores))


def read_tasks(storage: Storage, state: str) -> dict[str, float]:
    """The main metric of every task that the state was scored in; a limit is part of the name."""
    files = storage.list(f"{EVALUATIONS}/{state}/tasks")
    names = [file.removesuffix(".json") for file in files if file.endswith(".json")]
    found = [read_task(storage, state, name) for name in names]
    return {scores.title: scores.metrics[scores.main] for scores in found if scores}


def _task_path(state: str, task: str) -> str:
    return f"{EVALUATIONS}/{state}/tasks/{task}.json"


def read_losses(storage: Storage, state: str) -> dict[Measured, float]:
    """All losses (nats/token) kept for a state; empty where none was measured."""
    try:
        entries = storage.read_json(_path(state))
    except FileNotFoundError:
        return {}
    return {(e["corpus"], e["fingerprint"], int(e["rows"])): float(e["loss"]) for e in entries}


def add_losses(storage: Storage, state: str, losses: Mapping[Measured, float]) -> None:
    """Keep further losses of a state beside those already there."""
    entries = [
        {"corpus": corpus, "fingerprint": fingerprint, "rows": rows, "loss": loss}
        for (corpus, fingerprint, rows), loss in {**read_losses(storage, state), **losses}.items()
    ]
    storage.write_json(_path(state), entries)


def _path(state: str) -> str:
    return f"{EVALUATIONS}/{state}/losses.json"
