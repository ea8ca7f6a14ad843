"""MLflow's runs, in its embedded store: named, tagged, linked, and gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe.schema.trackers import MLflow
from raycl.storage import Storage
from raycl.sweep.tracking.mlflow import URI, mlflow, store_uri
from raycl.sweep.tracking.registry import check_trackers
from raycl.sweep.tracking.tracker import Place
from tests.helpers.tracked import PARENT, RUN


def runs_in(uri: str, experiment: str) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return {run.info.run_name: run for run in client.search_runs([found.experiment_id])}


def test_each_node_is_a_run_below_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URI, raising=False)
    storage = Storage(tmp_path)
    check_trackers({"mlflow": MLflow()}, storage)
    tracker = mlflow(MLflow(), Place(storage, "unused"))
    tracker.begin(PARENT)
    tracker.end(PARENT, "finished")
    tracker.begin(RUN)
    tracker.log(RUN, 120, {"loss": 3.0, "validation/english": float("nan")}, at=1e9)
    tracker.end(RUN, "stopped")
    # Another command goes on with it.
    tracker = mlflow(MLflow(), Place(storage, "unused"))
    tracker.begin(RUN)
    tracker.log(RUN, 140, {"loss": 2.0}, at=1e9)

    uri = store_uri(MLflow(), storage)
    runs = runs_in(uri, "code")
    assert sorted(runs) == sorted([PARENT.name, RUN.name])
    made, parent = runs[RUN.name], runs[PARENT.name]
    assert (made.info.status, parent.info.status) == ("RUNNING", "FINISHED")
    assert made.data.metrics["loss"] == 2.0
    assert made.data.params["german.replay"] == "0.05"
    assert made.data.params["recipe"] == "replay 5%"
    assert made.data.tags["raycl.state"] == RUN.state
    assert made.data.tags["raycl.parent"] == PARENT.name
    assert made.data.tags["mlflow.parentRunId"] == parent.info.run_id
    from mlflow import MlflowClient

    history = MlflowClient(tracking_uri=uri).get_metric_history(made.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(120, 3.0), (140, 2.0)]
    files = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*")}
    assert files == {"trackers", "trackers/mlflow.db"}


def test_a_remote_storage_needs_a_uri(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(URI, raising=False)
    storage = Storage(tmp_path)
    monkeypatch.setattr(storage, "local_root", None)
    with pytest.raises(InputError, match="nothing says where its runs are to be"):
        store_uri(MLflow(), storage)
    monkeypatch.setenv(URI, "http://127.0.0.1:5000")
    assert store_uri(MLflow(), storage) == "http://127.0.0.1:5000"
    assert store_uri(MLflow(uri="sqlite:///a.db"), storage) == "sqlite:///a.db"
