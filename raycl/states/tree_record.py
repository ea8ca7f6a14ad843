"""tree.json, the nodes of a stored sweep: what was planned, in the order in which it is trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.record import Part, Record, find_record, read_record, write_record


class NodeRecord(Part):
    """One node: consecutive steps that several recipes share."""

    name: str
    """Name of the node's end state."""
    parent: str | None
    """Name of the parent node's end state; None where training begins."""
    stage: str
    """The stage that its last step belongs to."""
    steps: int
    first_step: int
    """Steps of its chain that are done before it begins."""
    recipes: tuple[str, ...]
    """Labels of the recipes that it is trained for."""

    @property
    def last_step(self) -> int:
        """Steps of its chain that are done when it ends."""
        return self.first_step + self.steps


class TreeRecord(Record):
    """All nodes of a sweep, parents before their children. In format 1 the file is a bare list."""

    FORMAT: ClassVar[int] = 2
    WHAT: ClassVar[str] = "the tree of a sweep"
    REMEDY: ClassVar[str] = "Run `raycl sweep` with the sweep's recipe again, which writes it anew"

    nodes: tuple[NodeRecord, ...]

    @classmethod
    def upgraded(cls, data: Any, written: int) -> Any:
        """The nodes of format 1 in a mapping."""
        del written
        return {"nodes": data}


def write_tree_record(storage: Storage, sweep: str, nodes: Iterable[NodeRecord]) -> None:
    """Write the nodes of the sweep called `sweep`, parents before their children."""
    write_record(storage, layout.sweep_tree(sweep), TreeRecord(nodes=tuple(nodes)))


def read_tree_record(storage: Storage, sweep: str) -> TreeRecord:
    """The nodes of a stored sweep.

    Raises FileNotFoundError where the sweep has none yet, or there is no sweep of this name;
    InputError where the file is damaged.
    """
    return read_record(storage, layout.sweep_tree(sweep), TreeRecord)


def find_tree_record(storage: Storage, sweep: str) -> TreeRecord:
    """The nodes of a stored sweep that a user has named. Raises InputError where there are none."""
    found = find_record(storage, layout.sweep_tree(sweep), TreeRecord)
    if found is None:
        known = ", ".join(storage.list(layout.SWEEPS)) or "none"
        raise InputError(f"sweep {sweep!r} in {storage.url}", "not there", f"Known sweeps: {known}")
    return found
