"""Books what Tune reports of its trials in the frontier, and tells it as events."""

# ruff: noqa: ARG002 (the arguments that Tune passes by name to every callback)

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import ray
from ray import tune

from raycl.cluster.interruption import Interruption
from raycl.cluster.memory import memory_kills
from raycl.cluster.ray_internals import kill_trial, trial_error
from raycl.data.ray_stream import input_error_in
from raycl.plan.cost import memory_per_worker
from raycl.plan.tree import Node
from raycl.sweep.ending import Ending
from raycl.sweep.events import THEIRS, Kind, SweepEvent, node_label
from raycl.sweep.frontier import Frontier
from raycl.sweep.leases import Leases
from raycl.sweep.steering.obey import Steering
from raycl.sweep.trial import ELSEWHERE, INPUT_ERROR, LEFT, NODE
from raycl.sweep.worker_group import ROOM_SECONDS, WAITING
from raycl.train.interruption import SAVED
from raycl.units import format_memory

METRICS_SECONDS = 10.0
"""Between two events with metrics of one node."""
_LEFT = "what it has trained is in storage, and what it held is free"
_NOT_STARTED = "its workers have not started yet; the cluster may have no room"
_TOLD = (
    "step",
    "loss",
    "learning_rate",
    "tokens_per_second",
    "mfu",
    "peak_memory",
    "data_wait_share",
)


class Stopped(Exception):
    """Ends Tune's loop in good order: it cleans up after an Exception, not after an interrupt."""

    def __init__(self, unsaved: Collection[str] = ()) -> None:
        super().__init__()
        self.unsaved = frozenset(unsaved)
        """Nodes whose trials were ended before they had saved."""


class Progress(tune.Callback):
    """Books what becomes of each trial, tells it, and ends Tune when the sweep is stopped.

    `try_again(node)` says whether a node whose trial died waits for another one. `steering` says
    what people ask of nodes; without it nobody can ask for anything.
    """

    def __init__(
        self,
        frontier: Frontier,
        nodes: Mapping[str, Node],
        on_event: Callable[[SweepEvent], None],
        try_again: Callable[[str], bool] = lambda _: False,
        leases: Leases | None = None,
        steering: Steering | None = None,
    ) -> None:
        self._steering = steering
        self._frontier, self._nodes, self._on_event = frontier, nodes, on_event
        self._try_again, self._leases = try_again, leases
        self.ending = Ending()
        self._memory_kills = memory_kills()
        self._told: dict[str, tuple[float, float]] = {}
        """When metrics of each node were last told, and of which step."""
        self.on_report: Callable[[str, Mapping[str, Any]], None] = lambda *_: None
        """Hears all numbers of every report of a trial, with the name of its node."""
        self._started: set[str] = set()
        self._saved: dict[str, int] = {}
        """The steps of the state that each node has written which was left."""
        self._pending: dict[str, float] = {}
        """When each node was first seen whose trial has not started; infinity once that is told."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that raycl never does."""
        return {}

    @property
    def stopped(self) -> bool:
        """Whether a signal has stopped the sweep."""
        return self.ending.is_wanted

    def interruption(self, unsaved: Collection[str] = ()) -> Interruption:
        """What a sweep raises that was stopped; `unsaved` are nodes that were ended without."""
        return self.ending.interruption(self._nodes, sorted(unsaved))

    def tell_waiting(self) -> None:
        """Say of each node that could start that another sweep has it."""
        waiting, held = self._frontier.waiting, self._frontier.paused | self._frontier.frozen
        for name, node in waiting.items():
            theirs = name in self._frontier.theirs and name not in held
            if theirs and node.parent not in waiting:
                self._tell("waiting", name, reason=THEIRS)

    def obey(self) -> None:
        """Carry out what people have asked of nodes since the last time, and tell it."""
        for heard in self._steering.obey() if self._steering is not None else ():
            self._tell(heard.kind, heard.node, reason=heard.reason)

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune comes by about every tenth of a second."""
        if self.stopped:
            self._end(trials)
            return
        self.obey()
        self._tell_pending()
        if self._leases is not None and self._leases.doubtful:
            self._leases.doubtful = False
            for trial in trials:
                if trial.status == "RUNNING" and not self._leases.claim(_node(trial)).is_valid():
                    kill_trial(trial)  # Tune starts it again, and there it sees it is not ours

    def _end(self, trials: list[Any]) -> None:
        """Wait until the trials have saved and left, or are late. Raises Stopped then."""
        running = [trial for trial in trials if trial.status == "RUNNING"]
        if self.ending.give_order() and running:
            promise = self.ending.promise(len(running))
            self._on_event(SweepEvent("note", "", "the sweep ends", reason=promise))
        if running and not self.ending.is_late:
            return
        for trial in trials:
            kill_trial(trial)
        raise Stopped({_node(trial) for trial in running})

    def _tell_pending(self) -> None:
        """Say once of each node that its trial has not started."""
        now = time.monotonic()
        for name in self._frontier.running.keys() - self._started:
            if now - self._pending.setdefault(name, now) > ROOM_SECONDS:
                self._pending[name] = math.inf
                self._tell("waiting", name, reason=_NOT_STARTED)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Training of the node begins, for the first time or again."""
        self._started.add(_node(trial))
        self._tell("started", _node(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Metrics are told now and then, those of one step once."""
        name = _node(trial)
        if result.get(WAITING):
            self._tell("waiting", name, reason=_NOT_STARTED)
        if SAVED in result:
            self._saved[name] = int(result[SAVED])
        self.on_report(name, result)
        metrics = _told(result)
        now, step = time.monotonic(), metrics.get("step", 0.0)
        last, last_step = self._told.get(name, (-math.inf, -1.0))
        if "loss" in metrics and now - last >= METRICS_SECONDS and step != last_step:
            self._told[name] = now, step
            self._tell("metrics", name, metrics=metrics)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The node is done, or its trial has said why it cannot be."""
        result, name = trial.last_result or {}, self._ended(trial)
        if result.get(ELSEWHERE):
            self._frontier.put_back(name)
            self._tell("waiting", name, reason=THEIRS)
        elif result.get(LEFT) and self._steering is not None:
            self._steering.left(name)
            self.ending.left(name, self._saved.get(name))
            self._tell("left", name, reason=_LEFT)
        elif reason := result.get(INPUT_ERROR):
            self._fail(name, str(reason))
        else:
            self._frontier.complete(name)
            if self._steering is not None:
                self._steering.finished(name)
            self._tell("finished", name, metrics=_told(result))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial died; its node waits for another one, or is lost."""
        name, reason = self._ended(trial), self._reason(trial)
        if self._try_again(name):
            held = name in self._frontier.paused or name in self._frontier.frozen
            wait_again = self._frontier.leave if held else self._frontier.put_back
            wait_again(name)
            self._tell("retried", name, reason=reason)
        else:
            self._fail(name, reason)

    def _ended(self, trial: Any) -> str:
        """The node of a trial that has ended; it may get another one."""
        name = _node(trial)
        self._started.discard(name)
        self._pending.pop(name, None)
        return name

    def _reason(self, trial: Any) -> str:
        """Why a trial died, in one line."""
        error, node = trial_error(trial), self._nodes[_node(trial)]
        error = _death(error) or error
        if isinstance(error, ray.exceptions.OutOfMemoryError):  # Ray's own watch was quicker
            return out_of_memory(node)
        if not isinstance(error, ray.exceptions.RayActorError):
            return _reason(error)
        before, self._memory_kills = self._memory_kills, memory_kills()
        return out_of_memory(node) if self._memory_kills > before else "its process died"

    def _fail(self, name: str, reason: str) -> None:
        if self._steering is not None:
            self._steering.failed(name, reason)
        self._tell("failed", name, reason=reason, skipped=self._frontier.fail(name, reason))

    def _tell(self, kind: Kind, name: str, **fields: Any) -> None:
        self._on_event(SweepEvent(kind, name, node_label(self._nodes[name]), **fields))


def _told(result: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a report that people are told, in the same order each time."""
    names = (*_TOLD, *(name for name in result if name.startswith("validation/")))
    return {name: result[name] for name in names if name in result}


def _node(trial: Any) -> str:
    return str(trial.config[NODE])


def out_of_memory(node: Node) -> str:
    """The reason of a node whose worker was ended for want of memory."""
    needs = memory_per_worker(node)
    much = f"{format_memory(needs)} or more" if needs else "more"
    return (
        f"out of memory: each of its workers needs {much}. Train fewer nodes at once "
        "(--concurrent 1), or set a smaller execution.micro_batch"
    )


def _death(error: Any) -> Exception | None:
    """What ended a worker of the trial's group from outside; the others only miss it."""
    raised = getattr(error, "worker_failures", {}).values()
    causes = [getattr(failure, "health_check_failure", failure) for failure in raised]
    dead = (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError)
    return next((cause for cause in causes if isinstance(cause, dead)), None)


def _reason(error: Any) -> str:
    """One line: what the error says, without Ray's tracebacks."""
    found = input_error_in(error) if error is not None else None
    # A worker group's error ends with a summary; what its first worker raised says more.
    of_workers = list(getattr(error, "worker_failures", {}).values())
    text = str(found or (of_workers[0] if of_workers else error) or "")
    lines = [line.strip() for line in text.splitlines() if line.strip() not in ("", "None")]
    return lines[-1] if lines else "unknown error"
