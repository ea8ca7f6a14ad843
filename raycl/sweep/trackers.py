"""Trackers that follow a sweep's metrics: each is a name and a function that gives Tune callbacks.

Another tracker is one function here, in `TRACKERS`, and one test: Tune calls its callbacks in the
driver, once for each report of each node's trial. What a trial reports is written by
`raycl.train.loop`: the step, its losses, and its learning rate.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.logger import TBXLoggerCallback

from raycl.errors import InputError

_FLUSH_SECONDS = 30


class TensorBoard(TBXLoggerCallback):
    """Writes event files into `folder/<title of the node>`, and nothing else.

    Ray's own logger writes them into the trial's folder, where Tune keeps pickles.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray has no types here
        self._folder = folder

    def log_trial_start(self, trial: Any) -> None:
        """Open the event file of a trial, for the first time or again."""
        if trial in self._trial_writer:
            self._trial_writer[trial].close()
        place = str(self._folder / str(trial))
        # By themselves two files of one second have one name, and the second replaces the first.
        suffix = f".{uuid.uuid4().hex[:8]}"
        self._trial_writer[trial] = self._summary_writer_cls(
            place, flush_secs=_FLUSH_SECONDS, filename_suffix=suffix
        )
        self._trial_result[trial] = {}


def tensorboard(folder: Path) -> list[tune.Callback]:
    """Event files below `folder`, which TensorBoard reads."""
    return [TensorBoard(folder)]


TRACKERS: dict[str, Callable[[Path], list[tune.Callback]]] = {"tensorboard": tensorboard}
DEFAULT = ("tensorboard",)


def tracker_callbacks(folder: Path, names: Sequence[str] = DEFAULT) -> list[tune.Callback]:
    """The callbacks of the trackers, in their order; their files lie below `folder`.

    Raises InputError for an unknown name.
    """
    for name in names:
        if name not in TRACKERS:
            raise InputError(f"tracker {name!r}", "not known", f"Known: {', '.join(TRACKERS)}")
    return [callback for name in names for callback in TRACKERS[name](folder)]
