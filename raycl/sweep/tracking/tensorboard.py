"""TensorBoard's event files, complete after every report.

They are written without tensorboardX's own writer, which keeps events in a queue that its `flush`
does not empty: the newest came up to half a minute late, and those of a killed sweep never.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.api_pb2 import Status
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.plugin_hparams_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)
from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboardX.summary import text as text_summary

from raycl.plan.configuration import Configuration
from raycl.storage import Storage, layout
from raycl.sweep.tracking.tracker import End, Place, Run, Tracker, Value

UPLOAD_SECONDS = 30.0
"""Between two uploads of what has grown, where the storage is remote."""
_STATUS: Mapping[End, int] = {
    "finished": Status.Value("STATUS_SUCCESS"),
    "failed": Status.Value("STATUS_FAILURE"),
    "stopped": Status.Value("STATUS_UNKNOWN"),
}


class EventFiles(Tracker):
    """A folder for each run, below `sweeps/<name>/tensorboard`.

    In a remote storage the files lie in `scratch` while they grow, and are uploaded now and then
    and when the run ends.
    """

    def __init__(self, storage: Storage, scratch: str) -> None:
        self._storage, self._scratch = storage, Path(scratch)
        self._writers: dict[str, EventsWriter] = {}
        self._again: set[str] = set()
        """States of the runs that go on, and have told no number yet."""
        self._uploaded: dict[Path, int] = {}
        self._next_upload = time.monotonic() + UPLOAD_SECONDS

    def begin(self, run: Run) -> None:
        """Open an event file; its hyperparameters are the run's, in TensorBoard's HParams."""
        folder = self._folder(run)
        again = any(folder.glob("events.out.*"))
        folder.mkdir(parents=True, exist_ok=True)
        # By themselves two files of one second have one name, and the second replaces the first.
        writer = EventsWriter(str(folder / "events"), f".{uuid.uuid4().hex[:8]}")
        self._writers[run.state] = writer
        if again:
            self._again.add(run.state)
        start = SessionStartInfo()
        for name, value in run.parameters.items():
            _set(start.hparams[name], value)
        start.group_name = run.name
        self._write(run, _of_hparams("session_start_info", start))
        for name, text in run.tags.items():
            self._write(run, _text(name, text))
        writer.flush()

    def log(self, run: Run, step: int, numbers: Mapping[str, float], at: float) -> None:
        """Write the numbers under their own names, and let them reach the disk."""
        if run.state in self._again:
            # TensorBoard then drops what it was told of later steps, which are trained once more.
            self._again.discard(run.state)
            begin = SessionLog(status=SessionLog.START)
            self._write(run, Event(step=step, wall_time=at, session_log=begin))
        values = [Summary.Value(tag=name, simple_value=number) for name, number in numbers.items()]
        self._write(run, Event(step=step, wall_time=at, summary=Summary(value=values)))
        self._writers[run.state].flush()

    def end(self, run: Run, how: End) -> None:
        """Write how the run has ended, and close its file."""
        if run.state in self._writers:  # not where the upload alone is tried again
            end = SessionEndInfo(status=_STATUS[how])
            self._write(run, _of_hparams("session_end_info", end))
            self._writers.pop(run.state).close()
        self._upload()

    def tick(self) -> None:
        """Upload what has grown, every half a minute."""
        if time.monotonic() >= self._next_upload:
            self._next_upload = time.monotonic() + UPLOAD_SECONDS
            self._upload()

    def close(self) -> None:
        """Upload the rest."""
        self._upload()

    def _folder(self, run: Run) -> Path:
        relative = f"{layout.sweep_tensorboard(run.sweep)}/{run.name}"
        if self._storage.local_root is None:
            return self._scratch / relative
        return Path(self._storage.full_path(relative))

    def _write(self, run: Run, event: Event) -> None:
        event.wall_time = event.wall_time or time.time()
        self._writers[run.state].write_event(event)

    def _upload(self) -> None:
        """Replace the remote files that have grown. One write for each."""
        if self._storage.local_root is not None:
            return
        for file in sorted(self._scratch.rglob("events.out.*")):
            size = file.stat().st_size
            if self._uploaded.get(file) != size:
                self._storage.upload_file(file, file.relative_to(self._scratch).as_posix())
                self._uploaded[file] = size


def tensorboard(_settings: Configuration, place: Place) -> Tracker:
    """Event files in the storage."""
    return EventFiles(place.storage, f"{place.scratch}/events")


def _set(hparam: Any, value: Value) -> None:
    if isinstance(value, str):
        hparam.string_value = value
    else:
        hparam.number_value = float(value)


def _of_hparams(name: str, info: Any) -> Event:
    """A message to TensorBoard's HParams plugin, whose own fields are called as the tags are."""
    content = HParamsPluginData(version=0, **{name: info}).SerializeToString()
    data = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    value = Summary.Value(tag=f"_hparams_/{name}", metadata=SummaryMetadata(plugin_data=data))
    return Event(summary=Summary(value=[value]))


def _text(name: str, text: str) -> Event:
    return Event(summary=text_summary(name, text))
