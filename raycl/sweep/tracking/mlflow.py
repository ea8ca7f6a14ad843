"""MLflow: a run for each node, found again by the name of its state.

Ray's own callback is not used: it calls runs by Tune's names and their steps by Tune's iterations,
logs whatever a trial reports, gives all runs the same tags, and begins a new run for each try.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raycl.errors import InputError
from raycl.plan.configuration import Configuration
from raycl.recipe.schema.trackers import MLflow
from raycl.storage import Storage, layout
from raycl.sweep.tracking.tracker import End, Place, Run, Tracker

URI = "MLFLOW_TRACKING_URI"
_STATE = "raycl.state"
_STATUS: Mapping[End, str] = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
_LONGEST_PARAMETER = 500
_MOST_VALUES = 1000
"""MLflow takes so many values in one request."""


class MLflowRuns(Tracker):
    """Runs of an MLflow server or store; `experiment` None: one for each sweep."""

    def __init__(self, uri: str, experiment: str | None) -> None:
        self._uri, self._experiment = uri, experiment
        self._client: Any = None
        self._experiments: dict[str, str] = {}
        self._runs: dict[str, str] = {}
        """MLflow's identifiers of runs, by the name of their state."""

    def begin(self, run: Run) -> None:
        """Go on with the run of this state, or create it below the run of its parent."""
        experiment = self._experiment_of(run)
        if (known := self._find(run.state, experiment)) is not None:
            self._client.update_run(known, status="RUNNING")
            return
        tags = dict(run.tags)
        parent = self._find(run.parent_state, experiment) if run.parent_state else None
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        made = self._client.create_run(experiment, tags=tags, run_name=run.name)
        self._runs[run.state] = made.info.run_id
        from mlflow.entities import Param

        texts = ((name, str(value)[:_LONGEST_PARAMETER]) for name, value in run.parameters.items())
        self._client.log_batch(made.info.run_id, params=[Param(*each) for each in texts])

    def log(self, run: Run, step: int, numbers: Mapping[str, float], at: float) -> None:
        """Log the numbers under their own names."""
        from mlflow.entities import Metric

        values = [Metric(name, value, int(at * 1000), step) for name, value in numbers.items()]
        for first in range(0, len(values), _MOST_VALUES):
            part = values[first : first + _MOST_VALUES]
            self._client.log_batch(self._runs[run.state], metrics=part)

    def end(self, run: Run, how: End) -> None:
        """Set the run's status."""
        self._client.set_terminated(self._runs[run.state], _STATUS[how])

    def _experiment_of(self, run: Run) -> str:
        """The identifier of the run's experiment, which is created where it is not there."""
        if self._client is None:
            self._client = importlib.import_module("mlflow").MlflowClient(tracking_uri=self._uri)
        name = self._experiment or run.sweep
        if name not in self._experiments:
            found = self._client.get_experiment_by_name(name)
            made = self._client.create_experiment(name) if found is None else found.experiment_id
            self._experiments[name] = made
        return self._experiments[name]

    def _find(self, state: str, experiment: str) -> str | None:
        """The run of a state that this or an earlier command has created."""
        if state not in self._runs:
            condition = f"tags.`{_STATE}` = '{state}'"
            found = self._client.search_runs([experiment], condition, max_results=1)
            if not found:
                return None
            self._runs[state] = found[0].info.run_id
        return self._runs[state]


def mlflow(settings: Configuration, place: Place) -> Tracker:
    """Runs in the store that recipe, environment or storage name."""
    assert isinstance(settings, MLflow)
    # What a training does is nobody else's business; and tables are made without a word.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MLflowRuns(store_uri(settings, place.storage), settings.experiment)


def store_uri(settings: MLflow, storage: Storage) -> str:
    """The URI of the store. Raises InputError where nothing names one and the storage is remote."""
    if found := settings.uri or os.environ.get(URI):
        return found
    if storage.local_root is None:
        raise InputError(
            "trackers.mlflow",
            "nothing says where its runs are to be, since the storage is remote",
            f"Give {{mlflow: {{uri: http://HOST:5000}}}}, or set {URI}",
        )
    path = Path(storage.full_path(layout.tracker("mlflow.db")))
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"


def check_mlflow(settings: Configuration, storage: Storage) -> None:
    """Raise InputError where the store cannot be named."""
    assert isinstance(settings, MLflow)
    store_uri(settings, storage)
