"""What people ask of nodes, and which nodes have failed: a small file for each in the storage."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import ClassVar, Literal

from pydantic import AwareDatetime

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.machine import this_person
from raycl.storage.record import AnyRecord, Record, find_record, write_record
from raycl.sweep.events import BY

Action = Literal["pause", "stop", "resume", "retry"]


class Request(Record):
    """What somebody has asked of a node last; it holds for every sweep that has the node."""

    WHAT: ClassVar[str] = "what was asked of a node"
    REMEDY: ClassVar[str] = "Remove the file: the node is then trained as if nothing had been asked"

    node: str
    """Name of the node's end state."""
    action: Action
    by: str
    """User and machine."""
    at: AwareDatetime
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the node is not to be trained."""
        return self.action in ("pause", "stop")

    @property
    def source(self) -> str:
        """Who asked for it and when: `by anna@laptop at 14:05 (GPUs are needed elsewhere)`."""
        note = f" ({self.note})" if self.note else ""
        return f"{BY}{self.by} at {moment(self.at)}{note}"


class Failure(Record):
    """Why a sweep has given a node up. A sweep that starts tries the node again all the same."""

    WHAT: ClassVar[str] = "the failure of a node"
    REMEDY: ClassVar[str] = "Remove the file: it only tells people what happened"

    node: str
    reason: str
    at: AwareDatetime


def now() -> datetime:
    """The time, to the microsecond: two requests of one person differ."""
    return datetime.now(UTC)


def moment(at: datetime) -> str:
    """The local time of day; with the date where it was another day."""
    local, today = at.astimezone(), datetime.now().astimezone()
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M}"


def write_request(storage: Storage, node: str, action: Action, note: str = "") -> Request:
    """Record what this person asks of a node, in place of what was asked before."""
    made = Request(node=node, action=action, by=this_person(), at=now(), note=note)
    write_record(storage, layout.steering(node), made)
    return made


def find_request(storage: Storage, node: str) -> Request | None:
    """What was asked of a node; None where nothing was. One read. Raises InputError."""
    return _own(storage, node, layout.steering(node), Request)


def write_failure(storage: Storage, node: str, reason: str) -> None:
    """Record why a node was given up."""
    write_record(storage, layout.failure(node), Failure(node=node, reason=reason, at=now()))


def find_failure(storage: Storage, node: str) -> Failure | None:
    """Why a node was given up; None where it was not. One read. Raises InputError."""
    return _own(storage, node, layout.failure(node), Failure)


def requests(storage: Storage, nodes: Collection[str]) -> dict[str, Request]:
    """What was asked of these nodes. One listing, and a read for each. Raises InputError."""
    asked = (find_request(storage, node) for node in _listed(storage, layout.STEERING, nodes))
    return {request.node: request for request in asked if request is not None}


def failures(storage: Storage, nodes: Collection[str]) -> dict[str, Failure]:
    """Which of these nodes were given up. One listing, and a read for each. Raises InputError."""
    found = (find_failure(storage, node) for node in _listed(storage, layout.FAILURES, nodes))
    return {failure.node: failure for failure in found if failure is not None}


def wanted(storage: Storage, nodes: Collection[str]) -> dict[str, Action]:
    """The action that was asked of each of these nodes last. Requests as those of `requests`."""
    return {node: request.action for node, request in requests(storage, nodes).items()}


def thawed(storage: Storage, nodes: Collection[str]) -> frozenset[str]:
    """Those of the nodes that somebody wants trained, whatever early stopping says of them."""
    asked = requests(storage, nodes).items()
    return frozenset(node for node, request in asked if not request.holds)


def node_of(file: str) -> str:
    """The node that a file of requests or failures is about."""
    return file.removesuffix(".json")


def _listed(storage: Storage, folder: str, nodes: Collection[str]) -> list[str]:
    there = {node_of(file) for file in storage.list(folder)}
    return sorted(there.intersection(nodes))


def _own(storage: Storage, node: str, path: str, kind: type[AnyRecord]) -> AnyRecord | None:
    found = find_record(storage, path, kind)
    if isinstance(found, (Request, Failure)) and found.node != node:
        problem = f"it is about the node {found.node}"
        raise InputError(storage.full_path(path), problem, kind.REMEDY)
    return found
