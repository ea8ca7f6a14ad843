"""The order in which Tune starts trials, found among those that live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from raycl.cluster.ray_internals import keep_idle_process


class LiveTrials(FIFOScheduler):
    """Starts the trial that came first, as Tune's default scheduler does.

    The default looks through all trials there ever were, several times a step. In a sweep of 10,000
    nodes that takes most of the driver's time.

    While `others_wait()` for its place, no process of a trial that has ended is kept for the next.
    """

    def __init__(self, others_wait: Callable[[], bool] = lambda: False) -> None:
        cast(Any, super()).__init__()  # Ray's schedulers have no types
        self._others_wait = others_wait
        self._keeps = True

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The first trial that waits to be started; where none does, the first that is paused."""
        if self._keeps is self._others_wait():
            self._keeps = not self._keeps
            keep_idle_process(tune_controller, self._keeps)
        live: list[Trial] = list(tune_controller.get_live_trials())
        for status in (Trial.PENDING, Trial.PAUSED):
            waiting = [trial for trial in live if trial.status == status]
            if waiting:
                return min(waiting, key=lambda trial: str(trial.trial_id))
        return None
