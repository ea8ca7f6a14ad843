"""Event files can be read while training goes on, and TensorBoard understands them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from raycl.storage import Storage
from raycl.sweep.tracking.tensorboard import EventFiles
from tests.helpers.tracked import RUN

FOLDER = f"sweeps/code/tensorboard/{RUN.name}"


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_numbers_are_on_disk_as_soon_as_they_are_told(tmp_path: Path) -> None:
    files = EventFiles(Storage(tmp_path), "unused")
    files.begin(RUN)
    files.log(RUN, 100, {"loss": 3.0, "validation/english": 2.0}, at=1e9)
    assert scalars(tmp_path / FOLDER, "loss") == [(100, 3.0)]
    files.log(RUN, 120, {"loss": 2.5}, at=1e9)
    files.log(RUN, 140, {"loss": 2.25}, at=1e9)
    assert scalars(tmp_path / FOLDER, "loss") == [(100, 3.0), (120, 2.5), (140, 2.25)]
    # Killed here, and tried again from the state of step 120, at which it reports nothing.
    again = EventFiles(Storage(tmp_path), "unused")
    again.begin(RUN)
    again.log(RUN, 130, {"loss": 2.0}, at=2e9)
    again.end(RUN, "finished")
    assert scalars(tmp_path / FOLDER, "loss") == [(100, 3.0), (120, 2.5), (130, 2.0)]
    assert scalars(tmp_path / FOLDER, "validation/english") == [(100, 2.0)]
    names = {file.name.split(".tfevents")[0] for file in tmp_path.rglob("*") if file.is_file()}
    assert names == {"events.out"}


def test_the_swept_fields_are_hyperparameters(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams.backend_context import Context

    files = EventFiles(Storage(tmp_path), "unused")
    other = replace(RUN, name="other.123456", state="other", fields={"german.replay": 0.25})
    for run, loss in ((RUN, 3.0), (other, 2.0)):
        files.begin(run)
        files.log(run, 200, {"loss": loss, "validation/german": loss}, at=1e9)
        files.end(run, "finished")
    found = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "sweeps/code/tensorboard"))
    found.Reload()
    provider = MultiplexerDataProvider(found, str(tmp_path))
    context: Any = Context(TBContext(data_provider=provider))
    request = RequestContext()
    runs = context.hparams_metadata(request, "")
    assert sorted(runs) == sorted([RUN.name, other.name])
    experiment = context.experiment_from_metadata(request, "", True, runs, [])
    names = {info.name for info in experiment.hparam_infos}
    assert {"german.replay", "german.schedule", "recipe", "stage", "first_step"} <= names
    assert {info.name.tag for info in experiment.metric_infos} == {"loss", "validation/german"}


class Remote(Storage):
    """A local storage that behaves like a remote one."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.local_root = None


def test_files_of_a_remote_storage_are_uploaded_as_they_grow(
    tmp_path: Path, monkeypatch: Any
) -> None:
    import raycl.sweep.tracking.tensorboard as module

    monkeypatch.setattr(module, "UPLOAD_SECONDS", 0.0)
    files = EventFiles(Remote(tmp_path / "bucket"), str(tmp_path / "scratch"))
    files.begin(RUN)
    for step in (100, 110):
        files.log(RUN, step, {"loss": 3.0}, at=1e9)
        files.tick()
        assert scalars(tmp_path / "bucket" / FOLDER, "loss")[-1] == (step, 3.0)
    files.end(RUN, "stopped")
    files.close()
    local, remote = (
        [file.read_bytes() for file in (tmp_path / name).rglob("events.*")]
        for name in ("scratch", "bucket")
    )
    assert local == remote != []
