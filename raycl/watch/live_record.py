"""The live record of a node: its newest numbers and its log, in the storage while it is trained.

The process that holds the node's lease writes it, so that there is one writer. Whoever watches
needs the storage alone. The record stays when the node is finished: it is the node's log.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.record import Part, Record, find_record, write_record

MOST_POINTS = 400
"""Points of a curve in a record; a longer curve is thinned to half of them."""
MOST_LINES = 200
"""The newest lines of a log that a record keeps."""

LiveStatus = Literal["starting", "training", "finished", "failed", "retried", "left", "waiting"]


class LogLine(Part):
    """One event of a node."""

    at: AwareDatetime
    kind: str
    """A kind of `raycl.sweep.events.SweepEvent`, metrics left out."""
    text: str


class Curve(Part):
    """One measure over the steps of a node; both tuples have the same length."""

    steps: tuple[int, ...]
    """Optimizer steps done, counted from the beginning of the recipe."""
    values: tuple[float, ...]


class LiveNode(Record):
    """What is known of a node that is trained now, or was trained before."""

    WHAT: ClassVar[str] = "the live record of a node"
    REMEDY: ClassVar[str] = "Remove the file: it only shows people how the training goes"

    node: str
    """Name of the node's end state."""
    title: str
    """Stage, steps and recipes, for people."""
    sweeps: tuple[str, ...]
    holder: str
    """The process that trains it: its heartbeat (`layout.lease_holder`) says whether it lives."""
    status: LiveStatus
    started: AwareDatetime
    updated: AwareDatetime
    first_step: int
    last_step: int
    step: int
    """Steps done, counted from the beginning of the recipe."""
    seconds_left: float | None = None
    """At the pace of the last minute; None where that is not known."""
    numbers: dict[str, float] = Field(default_factory=dict)
    """The newest numbers of the loop: loss, learning_rate, tokens_per_second, mfu, peak_memory,
    data_wait_share, validation/<corpus>."""
    curves: dict[str, Curve] = Field(default_factory=dict)
    """By measure: loss, learning_rate, tokens_per_second, validation/<corpus>."""
    log: tuple[LogLine, ...] = ()


def write_live(storage: Storage, record: LiveNode) -> None:
    """Replace the live record of a node. One write."""
    write_record(storage, layout.live_node(record.node), record)


def find_live(storage: Storage, node: str) -> LiveNode | None:
    """The live record of a node; None where there is none. One read. Raises InputError."""
    return find_record(storage, layout.live_node(node), LiveNode)


def find_live_nodes(
    storage: Storage, nodes: Collection[str]
) -> tuple[dict[str, LiveNode], list[str]]:
    """The live records that these nodes have, and a sentence for each one that is damaged.

    Requests: a listing where there are nodes, and a read for each record.
    """
    there = set(storage.list(layout.LIVE)) if nodes else set()
    found: dict[str, LiveNode] = {}
    damaged: list[str] = []
    for node in nodes:
        if layout.live_node(node).rpartition("/")[2] not in there:
            continue
        try:
            record = find_live(storage, node)
        except InputError as error:
            damaged.append(str(error))
            continue
        if record is not None:  # else it was removed meanwhile
            found[node] = record
    return found, damaged
