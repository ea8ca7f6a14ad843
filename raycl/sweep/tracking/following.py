"""Hands what Tune's trials report to the trackers of a sweep."""

# ruff: noqa: ARG002 (the arguments that Tune passes by name to every callback)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ray import tune

from raycl.sweep.tracking.runs import Runs
from raycl.sweep.tracking.sender import Sender
from raycl.sweep.tracking.tracker import End, Run
from raycl.sweep.trial import ELSEWHERE, INPUT_ERROR, LEFT, NODE

MEASURES = (
    "loss",
    "learning_rate",
    "tokens",
    "tokens_per_second",
    "gradient_norm",
    "mfu",
    "peak_memory",
    "data_wait_share",
)
"""What trackers are told of a report, besides the losses on held-out text."""


class Following(tune.Callback):
    """Tells trackers of runs. A run begins with its first numbers: a trial may have none to train.

    `senders(run)` are those that follow it.
    """

    def __init__(
        self,
        runs: Runs,
        senders: Callable[[Run], tuple[Sender, ...]],
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._runs, self._senders, self._report = runs, senders, report
        self._open: dict[str, Run] = {}
        """Runs that have begun and not ended, by the name of their node."""
        self._told: dict[str, tuple[int, frozenset[str]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that raycl never does."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Hand the numbers of a report on, each of them once."""
        numbers, step = numbers_of(result), result.get("step")
        name = str(trial.config[NODE])
        if not numbers or step is None or (run := self._run(name)) is None:
            return
        told = (int(step), frozenset(numbers))
        if self._told.get(name) == told:  # the last report of a node is made twice
            return
        self._told[name] = told
        for sender in self._senders(run):
            if name not in self._open:
                sender.begin(run)
            sender.log(run, int(step), numbers)
            self._tell(sender)
        self._open[name] = run

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The run has ended, or somebody else goes on with it."""
        result = trial.last_result or {}
        if result.get(INPUT_ERROR):
            self._end(str(trial.config[NODE]), "failed")
        else:
            gone = result.get(ELSEWHERE) or result.get(LEFT)
            self._end(str(trial.config[NODE]), "stopped" if gone else "finished")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The run has failed; it begins again where its node is tried again."""
        self._end(str(trial.config[NODE]), "failed")

    def close(self) -> None:
        """End the runs that are open, since the sweep was stopped."""
        for name in list(self._open):
            self._end(name, "stopped")

    def _run(self, name: str) -> Run | None:
        return self._open.get(name) or self._runs.of(name)

    def _end(self, name: str, how: End) -> None:
        run = self._open.pop(name, None)
        if run is None and how == "failed":  # before its first numbers
            run = self._runs.of(name)
        self._told.pop(name, None)
        if run is None:
            return
        for sender in self._senders(run):
            sender.end(run, how)
            self._tell(sender)

    def _tell(self, sender: Sender) -> None:
        for sentence in sender.news():
            self._report(sentence)


def numbers_of(result: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a report that trackers are told, under their own names."""
    names = (*MEASURES, *(name for name in result if name.startswith("validation/")))
    return {name: float(result[name]) for name in names if result.get(name) is not None}
