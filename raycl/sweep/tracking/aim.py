"""Aim: a run for each node in one repository."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raycl.errors import InputError
from raycl.plan.configuration import Configuration
from raycl.recipe.schema.trackers import Aim
from raycl.storage import Storage, layout
from raycl.sweep.tracking.tracker import End, Place, Run, Tracker


class AimRuns(Tracker):
    """Runs of one repository; `experiment` None: one for each sweep."""

    def __init__(self, repo: str, experiment: str | None) -> None:
        self._repo, self._experiment = repo, experiment
        self._runs: dict[str, Any] = {}
        self._hashes: dict[str, str] = {}
        """Aim's identifiers of runs that this process has begun, by the name of their state."""

    def begin(self, run: Run) -> None:
        """Go on with the run of this state where this process knows it, or create one."""
        aim = importlib.import_module("aim")
        if "://" not in self._repo:
            Path(self._repo).mkdir(parents=True, exist_ok=True)
        made = aim.Run(
            self._hashes.get(run.state),
            repo=self._repo,
            experiment=self._experiment or run.sweep,
            system_tracking_interval=None,
            log_system_params=False,
            capture_terminal_logs=False,
        )
        made.name = run.name
        made["hparams"] = dict(run.parameters)
        made["raycl"] = {name.removeprefix("raycl."): text for name, text in run.tags.items()}
        self._runs[run.state], self._hashes[run.state] = made, made.hash

    def log(self, run: Run, step: int, numbers: Mapping[str, float], at: float) -> None:
        """Track the numbers under their own names."""
        del at  # Aim has its own clock
        for name, value in numbers.items():
            self._runs[run.state].track(value, name=name, step=step)

    def end(self, run: Run, how: End) -> None:
        """Write how the run has ended, and close it."""
        made = self._runs.pop(run.state)
        made["raycl", "end"] = how
        made.close()


def aim(settings: Configuration, place: Place) -> Tracker:
    """Runs in the repository that recipe or storage name."""
    assert isinstance(settings, Aim)
    return AimRuns(_repo(settings, place.storage), settings.experiment)


def _repo(settings: Aim, storage: Storage) -> str:
    if settings.repo is not None:
        return settings.repo
    if storage.local_root is None:
        raise InputError(
            "trackers.aim",
            "nothing says where its runs are to be, since the storage is remote",
            "Give {aim: {repo: PATH}}, or the aim:// URL of a server",
        )
    return storage.full_path(layout.tracker("aim"))


def check_aim(settings: Configuration, storage: Storage) -> None:
    """Raise InputError where the repository cannot be named."""
    assert isinstance(settings, Aim)
    _repo(settings, storage)
