"""tree.json, the nodes and merges of a stored sweep: what was planned, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from raycl.errors import InputError
from raycl.states.mark import Count
from raycl.storage import Storage, layout
from raycl.storage.record import (
    Part,
    Record,
    find_record,
    parse_record,
    read_record,
    record_bytes,
    write_record,
)

_TRIES = 20


class NodeRecord(Part):
    """One node: consecutive steps that several recipes share."""

    name: str
    """Name of the node's end state."""
    parent: str | None
    """Name of the parent node's end state; None where training begins."""
    stage: str
    """The stage that its last step belongs to."""
    steps: Count
    first_step: Count
    """Steps of its chain that are done before it begins."""
    recipes: Annotated[tuple[str, ...], Field(min_length=1)]
    """Labels of the recipes that it is trained for."""

    @property
    def last_step(self) -> int:
        """Steps of its chain that are done when it ends."""
        return self.first_step + self.steps


class MergeRecord(Part):
    """A merged state of a sweep."""

    name: str
    label: str
    """The name of its row in the results."""
    recipe: str
    """Label of the recipe whose end was merged."""
    needs: tuple[str, ...] = ()
    """The states that it is made of."""


class TreeRecord(Record):
    """All nodes of a sweep, parents before their children, and its merged states.

    In format 1 the file is a bare list; format 2 does not name the sweep; 3 has no merges.
    """

    FORMAT: ClassVar[int] = 4
    WHAT: ClassVar[str] = "the tree of a sweep"
    REMEDY: ClassVar[str] = "Run `raycl sweep` with the sweep's recipe again, which writes it anew"

    nodes: Annotated[tuple[NodeRecord, ...], Field(min_length=1)]
    """At least one: an empty tree would say that no state is needed any more."""
    sweep: str | None = None
    """The name of the sweep; None in older trees."""
    merges: tuple[MergeRecord, ...] = ()

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the nodes' end states and of the merges."""
        return (*(node.name for node in self.nodes), *(merge.name for merge in self.merges))

    @classmethod
    def upgraded(cls, data: Any, written: int) -> Any:
        """The nodes of format 1 in a mapping; format 2 is one without the sweep's name."""
        return {"nodes": data} if written == 1 else data


def write_tree_record(
    storage: Storage,
    sweep: str,
    nodes: Iterable[NodeRecord],
    merges: Iterable[MergeRecord] = (),
) -> None:
    """Write the sweep called `sweep`: its nodes, parents before their children, and merges."""
    write_record(storage, layout.sweep_tree(sweep), _tree(sweep, nodes, merges))


def _tree(
    sweep: str, nodes: Iterable[NodeRecord], merges: Iterable[MergeRecord] = ()
) -> TreeRecord:
    tree = TreeRecord(nodes=tuple(nodes), sweep=sweep)
    if made := tuple(merges):
        tree = TreeRecord(nodes=tree.nodes, sweep=sweep, merges=made)
    return tree


Change = Callable[[TreeRecord | None], tuple[Iterable[NodeRecord], Iterable[MergeRecord]]]
"""The nodes and merges that a sweep is to have, by what is stored of it."""


def change_tree_record(storage: Storage, sweep: str, change: Change) -> None:
    """Change the tree of a sweep, and lose nothing of what others change at the same time.

    Where the store has no conditional writes, the last one counts. Raises InputError where the file
    is damaged, or others keep changing it.
    """
    path = layout.sweep_tree(sweep)
    if not storage.has_conditional_writes:
        before = find_record(storage, path, TreeRecord)
        write_tree_record(storage, sweep, *change(before and _checked(storage, sweep, before)))
        return
    for _ in range(_TRIES):
        try:
            data, version = storage.read_version(path)
        except FileNotFoundError:
            if storage.create(path, record_bytes(_tree(sweep, *change(None)))) is not None:
                return
            continue
        found = _checked(storage, sweep, parse_record(data, TreeRecord, storage.full_path(path)))
        changed = record_bytes(_tree(sweep, *change(found)))
        if changed == data or storage.replace(path, changed, version) is not None:
            return
    raise InputError(storage.full_path(path), "others keep changing it", "Run the command again")


def read_tree_record(storage: Storage, sweep: str) -> TreeRecord:
    """The nodes of a stored sweep.

    Raises FileNotFoundError where the sweep has none yet, or there is no sweep of this name;
    InputError where the file is damaged.
    """
    return _checked(storage, sweep, read_record(storage, layout.sweep_tree(sweep), TreeRecord))


def _checked(storage: Storage, sweep: str, tree: TreeRecord) -> TreeRecord:
    """The tree, where it is the sweep's own. Raises InputError."""
    if tree.sweep in (None, sweep):
        return tree
    raise InputError(
        storage.full_path(layout.sweep_tree(sweep)),
        f"it is the tree of the sweep {tree.sweep!r}",
        "The folder was renamed, copied or exchanged: give it back its name, or remove it",
    )


def stored_sweeps(storage: Storage) -> list[str]:
    """The names of the sweeps in a storage: folders with a recipe or a tree, sorted."""
    files = (layout.sweep_tree, layout.sweep_recipe)
    return [
        name
        for name in storage.list(layout.SWEEPS)
        if any(storage.exists(file(name)) for file in files)
    ]


def find_tree_record(storage: Storage, sweep: str) -> TreeRecord:
    """The nodes of a stored sweep that a user has named. Raises InputError where there are none."""
    try:
        return read_tree_record(storage, sweep)
    except FileNotFoundError as error:
        known = ", ".join(stored_sweeps(storage)) or "none"
        where = f"sweep {sweep!r} in {storage.url}"
        raise InputError(where, "not there", f"Known sweeps: {known}") from error


def stored_trees(storage: Storage, sweep: str | None) -> dict[str, TreeRecord]:
    """The nodes of the sweep that is named, or of all sweeps whose nodes are stored."""
    if sweep is not None:
        return {sweep: find_tree_record(storage, sweep)}
    found = {}
    for name in stored_sweeps(storage):
        try:
            found[name] = read_tree_record(storage, name)
        except FileNotFoundError:  # its recipe alone is stored
            continue
    return found
