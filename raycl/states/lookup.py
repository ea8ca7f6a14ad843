"""States as a person names them: in full, by a unique prefix, or as a recipe's end."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from raycl.errors import InputError
from raycl.states.tree_record import find_tree_record
from raycl.storage import Storage, layout

STATE_NAME = re.compile(r"[0-9]{9,}-[0-9a-f]{32}([0-9a-f]{8})?")
"""Steps and a part of a hash. A folder with another name is no state and is left alone."""
_SHOWN = 5
_SHORTEST_PREFIX = 4
"""Characters: a shorter prefix, such as a single digit, is a slip rather than part of a hash."""


def is_complete(storage: Storage, name: str) -> bool:
    """Whether the state is complete; one request."""
    return storage.exists(layout.state_mark(name))


def is_whole_name(storage: Storage, reference: str) -> bool:
    """Whether this is the whole name of a complete state; one request at most."""
    return STATE_NAME.fullmatch(reference) is not None and is_complete(storage, reference)


def complete_states(storage: Storage, among: Collection[str] | None = None) -> list[str]:
    """Names of the complete states, sorted; only those in `among`, where it is given.

    One listing of all their files: to ask for each mark would cost a request a state.
    """
    return sorted(n for n in list_states(storage).bytes if among is None or n in among)


@dataclass(frozen=True)
class StateListing:
    """What one listing of all files of states tells."""

    bytes: Mapping[str, int]
    """The size of each complete state, by its name."""
    reduced: frozenset[str]
    """Those that may hold less than all of their training; their marks tell."""


def list_states(storage: Storage) -> StateListing:
    """The complete states, from one listing of all their files."""
    sizes: dict[str, int] = {}
    complete, reduced = set(), set()
    for path, size in storage.sizes(layout.STATES).items():
        name, _, file = path.partition("/")
        sizes[name] = sizes.get(name, 0) + size
        if file == layout.STATE_MARK:
            complete.add(name)
        elif file == layout.STATE_REDUCED:
            reduced.add(name)
    return StateListing({name: sizes[name] for name in complete}, frozenset(reduced & complete))


def find_state(storage: Storage, reference: str, among: Collection[str] | None = None) -> str:
    """The one complete state whose name or hash begins with `reference`, 4 characters or more.

    `among` are the names of the complete states, where they are known; else a whole name costs one
    request, and another reference a listing. Raises InputError where there is none, or more than
    one.
    """
    if among is None and is_whole_name(storage, reference):
        return reference
    names = complete_states(storage) if among is None else among
    matches = matching_states(names, reference)
    where = f"state {reference!r} in {storage.url}"
    if not matches:
        remedy = f"States here: {_some(list(names))}" if names else "Train some: run `raycl sweep`"
        raise InputError(where, "no such complete state", remedy)
    if len(matches) > 1:
        raise InputError(
            where,
            f"{len(matches)} states have names that begin with {reference!r}",
            f"Write more of the name: {_some(matches)}",
        )
    return matches[0]


def matching_states(names: Collection[str], reference: str) -> list[str]:
    """Those of the names that begin with `reference`, or whose hashes do; it alone if it is one.

    A reference of fewer than 4 characters matches none.
    """
    if reference in names:
        return [reference]
    if len(reference) < _SHORTEST_PREFIX:
        return []
    return [n for n in names if n.startswith(reference) or _hash(n).startswith(reference)]


def swept_states(storage: Storage, sweep: str) -> list[str]:
    """Every complete state at a node's end of a stored sweep, and its merges.

    Raises InputError for a sweep that is not there, or has no complete state.
    """
    tree = find_tree_record(storage, sweep)
    complete = set(complete_states(storage))
    found = [name for name in dict.fromkeys(tree.states) if name in complete]
    if not found:
        raise InputError(f"sweep {sweep!r}", "no complete state yet", "Run `raycl sweep` first")
    return found


def _hash(name: str) -> str:
    return name.partition("-")[2]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
