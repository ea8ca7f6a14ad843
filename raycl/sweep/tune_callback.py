"""What a running sweep tells: one event when a node starts, reports, is done, retried or lost."""

# ruff: noqa: ARG002 (the arguments that Tune passes by name to every callback)

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import ray
from ray import tune

from raycl.data.ray_stream import input_error_in
from raycl.plan.tree import Node
from raycl.sweep.frontier import ELSEWHERE, INPUT_ERROR, NODE, NodeSearcher
from raycl.sweep.leases import Leases

Kind = Literal["started", "metrics", "finished", "retried", "failed", "waiting"]
METRICS_SECONDS = 10.0
"""Between two events with metrics of one node."""
_THEIRS = "another sweep trains it"
_TOLD = ("step", "loss", "learning_rate", "tokens_per_second", "data_wait_share")


class Stopped(Exception):
    """Ends Tune's loop in good order: it cleans up after an Exception, not after an interrupt."""


@dataclass(frozen=True)
class SweepEvent:
    """Something that happened to a node; `str()` is a line for people."""

    kind: Kind
    node: str
    label: str
    """Stage, steps and recipes of the node."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    skipped: tuple[str, ...] = ()
    """With `failed`: the nodes below, which are not trained either."""

    def __str__(self) -> str:
        text = f"{self.label}: {self.kind}"
        if self.kind == "metrics":
            text = f"{self.label}: " + ", ".join(f"{k} {v:.4g}" for k, v in self.metrics.items())
        if self.reason:
            text += f": {self.reason}"
        if self.skipped:
            text += f" ({len(self.skipped)} nodes below it are not trained)"
        return text


class Progress(tune.Callback):
    """Turns what Tune says of its trials into events, and ends Tune when the sweep is stopped."""

    def __init__(
        self,
        searcher: NodeSearcher,
        nodes: Mapping[str, Node],
        on_event: Callable[[SweepEvent], None],
        leases: Leases | None = None,
    ) -> None:
        self.searcher, self._nodes, self._on_event = searcher, nodes, on_event
        self._leases = leases
        self.stopped = False
        self._told: dict[str, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that raycl never does."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Every tenth of a second or so."""
        if self.stopped:
            for trial in trials:
                _kill(trial)  # promptly: its unsaved steps are lost either way
            raise Stopped
        if self._leases is not None and self._leases.doubtful:
            self._leases.doubtful = False
            for trial in trials:
                if trial.status == "RUNNING" and not self._leases.claim(_node(trial)).is_valid():
                    _kill(trial)  # Tune starts it again, and there it sees that it is not ours

    def stop(self) -> None:
        """End the sweep as soon as Tune's loop comes by."""
        self.stopped = self.searcher.stopped = True

    def tell_waiting(self) -> None:
        """Say of each node that could start that another sweep has it."""
        frontier = self.searcher.frontier
        for name, node in frontier.waiting.items():
            if node.parent not in frontier.waiting:
                self._on_event(SweepEvent("waiting", name, _label(node), reason=_THEIRS))

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Training of the node begins, for the first time or again."""
        self._tell("started", trial)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Metrics, now and then."""
        metrics = {k: result[k] for k in result if k in _TOLD or k.startswith("validation/")}
        last, now = self._told.get(trial.trial_id, 0.0), time.monotonic()
        if "loss" in metrics and now - last >= METRICS_SECONDS:
            self._told[trial.trial_id] = now
            self._tell("metrics", trial, metrics=metrics)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The node is done, or has said that it cannot be."""
        result = trial.last_result or {}
        reason = result.get(INPUT_ERROR)
        if result.get(ELSEWHERE):
            self._tell("waiting", trial, reason=_THEIRS)
        elif reason:
            self._failed(trial, str(reason))
        else:
            self._tell("finished", trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial died; the searcher has decided before whether the node waits again."""
        if _node(trial) in self.searcher.frontier.failed:
            self._failed(trial, _reason(trial))
        else:
            self._tell("retried", trial, reason=_reason(trial))

    def _failed(self, trial: Any, reason: str) -> None:
        frontier, name = self.searcher.frontier, _node(trial)
        frontier.failed[name] = reason
        self._tell("failed", trial, reason=reason, skipped=frontier.below(name))

    def _tell(self, kind: Kind, trial: Any, **fields: Any) -> None:
        name = _node(trial)
        self._on_event(SweepEvent(kind, name, _label(self._nodes[name]), **fields))


def _node(trial: Any) -> str:
    return str(trial.config[NODE])


def _kill(trial: Any) -> None:
    actor = trial.temporary_state.ray_actor
    if actor is not None:
        with contextlib.suppress(Exception):
            ray.kill(actor)


def _label(node: Node) -> str:
    """Stage, steps and whose they are: `german 100–200 (replay 5%)`."""
    training, recipes = node.training, node.recipes
    whose = recipes[0] if len(recipes) == 1 else f"{len(recipes)} recipes"
    return f"{training.stage} {training.start}–{training.stop} ({whose})"


def _reason(trial: Any) -> str:
    """One line: what the error says, without Ray's tracebacks."""
    # From the local file: Tune's own getters read the copy that it makes now and then.
    file = trial.pickled_error_file
    error = ray.cloudpickle.loads(Path(file).read_bytes()) if file else None
    if isinstance(error, ray.exceptions.RayActorError):
        return "its process died"
    found = input_error_in(error) if error is not None else None
    # A worker group's error ends with a summary; what its first worker raised says more.
    of_workers = list(getattr(error, "worker_failures", {}).values())
    text = str(found or (of_workers[0] if of_workers else error) or "")
    lines = [line.strip() for line in text.splitlines() if line.strip() not in ("", "None")]
    return lines[-1] if lines else "unknown error"
