"""How far a stored sweep is, and what of it runs now: what `raycl status` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.record import parse_record
from raycl.sweep.description import merges_left, progress
from raycl.sweep.heard import (
    heartbeats,
    is_silent,
    last_heard,
    own_record,
    trains_without_lease,
)
from raycl.sweep.lease_records import Heartbeat, find_holder
from raycl.watch.live_record import LiveNode, find_live_nodes
from raycl.watch.progress import finite
from raycl.watch.text import VALIDATION

_STATUSES = ("training", "silent", "failed", "held", "waiting", "finished")
_NUMBERS = ("loss", "tokens_per_second")


@dataclass(frozen=True)
class SweepStatus:
    """A sweep as its storage shows it."""

    name: str
    nodes: tuple[dict[str, Any], ...]
    """Those of `raycl.sweep.description.progress`, and what `_live` adds."""
    merges_left: tuple[str, ...]
    problems: tuple[str, ...]
    """What is damaged; the rest is shown."""

    @property
    def summary(self) -> dict[str, Any]:
        """The whole sweep in numbers, by the names of docs/watching.md."""
        counts = dict.fromkeys(_STATUSES, 0)
        for node in self.nodes:
            counts[node["status"]] += 1
        runs = [node for node in self.nodes if node["status"] == "training"]
        return {
            "nodes": len(self.nodes),
            **counts,
            "steps_saved": sum(_saved(node) for node in self.nodes),
            "steps_done": sum(node["step"] - node["first_step"] for node in self.nodes),
            "steps_total": sum(node["steps"] for node in self.nodes),
            "tokens_per_second": sum(node["tokens_per_second"] or 0.0 for node in runs),
        }


def _saved(node: Mapping[str, Any]) -> int:
    return int(node["steps"] if node["finished"] else node["saved"])


def sweep_status(storage: Storage, name: str, now: datetime | None = None) -> SweepStatus:
    """How far a sweep is, from storage alone.

    Requests beyond those of `progress` and `merges_left`, where a node is not finished: a listing
    of the live records and one of the heartbeats, a read of the record of each such node, and two
    reads for each that is trained. Raises FileNotFoundError where the sweep has no tree, InputError
    where it is damaged.
    """
    lines, problems = progress(storage, name)
    left = [line["name"] for line in lines if not line["finished"]]
    records, damaged = find_live_nodes(storage, left)
    beats = heartbeats(storage) if any(line["training"] for line in lines) else {}
    at = now or datetime.now(UTC)
    nodes = []
    for line in lines:
        holder = find_holder(storage, line["name"]) if line["training"] else None
        record = records.get(line["name"])
        made = line | {"training": line["training"] or trains_without_lease(record, at)}
        nodes.append(made | _live(made, record, _Holder.of(storage, holder, beats), at))
    merges = tuple(merges_left(storage, name))
    return SweepStatus(name, tuple(nodes), merges, (*problems, *damaged))


@dataclass(frozen=True)
class _Holder:
    """The process that trains a node."""

    name: str | None = None
    beats: Mapping[str, datetime] = field(default_factory=dict)
    """When each process was last heard of."""
    machine: str | None = None
    process: int | None = None

    @classmethod
    def of(cls, storage: Storage, name: str | None, beats: Mapping[str, datetime]) -> _Holder:
        """The holder of this name; nothing of it is known where its heartbeat cannot be read."""
        if name is None:
            return cls()
        try:
            path = layout.lease_holder(name)
            found = parse_record(storage.read_bytes(path), Heartbeat, storage.full_path(path))
        except (FileNotFoundError, InputError):
            return cls(name, beats)
        return cls(name, beats, found.machine.split("/")[0], found.process)


def _live(
    line: Mapping[str, Any], record: LiveNode | None, holder: _Holder, now: datetime
) -> dict[str, Any]:
    """What is known of a node beyond its states. Its numbers are those that were told last."""
    own = own_record(record, holder.name)
    told = finite(own.numbers) if own is not None else {}
    heard = last_heard(record, holder.name, holder.beats)
    status = _status(line, is_silent(heard, now))
    first, last = line["first_step"], line["first_step"] + line["steps"]
    step = last if line["finished"] else first + line["saved"]
    if own is not None and not line["finished"] and own.status in ("training", "starting"):
        step = max(step, own.step) if status == "training" else step
    runs = status == "training" and own is not None and own.status != "retried"
    return {
        "status": status,
        "last_step": last,
        "step": step,
        "last_told_step": own.step if own is not None else None,
        **{name: told.get(name) for name in _NUMBERS},
        "validation": {
            name.removeprefix(VALIDATION): value
            for name, value in told.items()
            if name.startswith(VALIDATION)
        },
        "seconds_left": own.seconds_left if own is not None and runs else None,
        "started": own.started.isoformat() if own is not None else None,
        "heard": heard.isoformat() if heard is not None else None,
        "machine": holder.machine,
        "process": holder.process,
        "last_event": own.log[-1].text if own is not None and own.log else None,
    }


def _status(line: Mapping[str, Any], silent: bool) -> str:
    if line["finished"]:
        return "finished"
    if line["training"]:
        return "silent" if silent else "training"
    if line["told"].startswith("failed "):
        return "failed"
    return "held" if line["told"].startswith(("paused ", "stopped ")) else "waiting"
