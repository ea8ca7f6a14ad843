"""Weights & Biases: a run for each node, under an identifier made of the name of its state.

Ray's own callback is not used: it calls runs by Tune's names, starts an actor for each of them,
logs whatever a trial reports, and takes Tune's iterations for steps.
"""

from __future__ import annotations

import importlib
import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from raycl.errors import InputError
from raycl.plan.configuration import Configuration
from raycl.recipe.schema.trackers import WeightsAndBiases
from raycl.storage import Storage, layout
from raycl.sweep.tracking.tracker import End, Place, Run, Tracker

_KEY = "WANDB_API_KEY"
_HOST = "https://api.wandb.ai"
_CODES: Mapping[End, int] = {"finished": 0, "failed": 1, "stopped": 255}
_LONGEST_TAG = 64


class WandbRuns(Tracker):
    """Runs of one project; the sweep is their group."""

    def __init__(self, settings: WeightsAndBiases, folder: str) -> None:
        self._settings, self._folder = settings, folder
        self._runs: dict[str, Any] = {}

    def begin(self, run: Run) -> None:
        """Go on with the run of this state, or create it."""
        wandb = importlib.import_module("wandb")
        Path(self._folder).mkdir(parents=True, exist_ok=True)
        self._runs[run.state] = wandb.init(
            project=self._settings.project,
            entity=self._settings.entity,
            mode=self._settings.mode,
            dir=self._folder,
            group=run.sweep,
            job_type=run.stage,
            name=run.name,
            id=run.state.replace("/", "-"),
            resume="allow",
            reinit="create_new",  # nodes are trained side by side
            config={**run.parameters, **run.tags},
            tags=[label[:_LONGEST_TAG] for label in run.recipes[:8]],
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, disable_code=True, save_code=False
            ),
        )

    def log(self, run: Run, step: int, numbers: Mapping[str, float], at: float) -> None:
        """Log the numbers under their own names; those of a step that was told already are left."""
        del at  # wandb has its own clock
        self._runs[run.state].log(dict(numbers), step=step, commit=True)

    def end(self, run: Run, how: End) -> None:
        """End the run; Weights & Biases knows no other ends than with 0 and without."""
        self._runs.pop(run.state).finish(exit_code=_CODES[how])


def wandb(settings: Configuration, place: Place) -> Tracker:
    """Runs that are sent to a server, or kept for `wandb sync`."""
    assert isinstance(settings, WeightsAndBiases)
    if settings.mode == "offline" and place.storage.local_root is not None:
        folder = place.storage.full_path(layout.tracker("wandb"))
    else:
        folder = f"{place.scratch}/wandb"
    return WandbRuns(settings, folder)


def check_wandb(settings: Configuration, storage: Storage) -> None:
    """Raise InputError where there is no key, or nowhere to keep runs of mode `offline`."""
    assert isinstance(settings, WeightsAndBiases)
    if settings.mode == "offline":
        if storage.local_root is None:
            raise InputError(
                "trackers.wandb.mode offline",
                "its files are kept in a local storage, and this one is remote",
                "Leave `mode` out, or name another tracker",
            )
        return
    if not os.environ.get(_KEY) and not _in_netrc():
        raise InputError(
            "trackers.wandb",
            f"there is no key: {_KEY} is not set, and ~/.netrc names none",
            f"Set {_KEY} where the sweep runs, or give {{wandb: {{mode: offline}}}}",
        )


def _in_netrc() -> bool:
    """Whether `wandb login` has left a key for the server."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or _HOST).hostname or ""
    try:
        file = os.environ.get("NETRC") or str(Path.home() / ".netrc")
        return netrc.netrc(file).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError, RuntimeError):
        return False
