"""Recipes that were added to a sweep: proposed by a search, or branched off by hand.

Each is a file with a number of its own that is created once and never changed, so that a search and
any number of people may add recipes at the same time, and every command finds the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator

from raycl.errors import InputError
from raycl.states.mark import Count
from raycl.storage import Storage, layout
from raycl.storage.record import Part, Record, read_record, record_bytes

HAND = "hand"
"""The source of what somebody has added by hand."""


class Departure(Part):
    """The place at which a branched recipe leaves another one of the sweep."""

    recipe: str
    """Label of that recipe."""
    step: Count
    """Steps of its chain that are done there."""


class Proposal(Record):
    """One recipe that was added to a sweep, as the fields in which it differs from the file."""

    WHAT: ClassVar[str] = "a recipe that was added to a sweep"
    REMEDY: ClassVar[str] = "Remove the file: what was trained of it stays in the storage"

    number: Count
    """Its place among the recipes that were added, from 0."""
    fields: dict[str, Any]
    """Field to value, as they are written in a recipe; see `raycl.recipe.load.with_field`. They are
    sorted by name, in the file and before, so that every command makes the same recipe of them."""
    source: str
    """Who proposed it: the name of a sampler, or `hand`."""
    departure: Departure | None = None
    """Given where it goes on from a step of another recipe."""
    tokens: Count = 0
    """Tokens that were left to train for it when it was proposed."""
    sweep: str = Field(min_length=1)
    """Name of the sweep."""

    @field_validator("fields")
    @classmethod
    def _in_order(cls, fields: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = _sorted(fields)
        return made


def _sorted(value: Any) -> Any:
    """The value with all mappings in it sorted by name, as they are in a file."""
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(inner) for inner in value] if isinstance(value, list | tuple) else value


def read_proposals(storage: Storage | None, sweep: str) -> tuple[Proposal, ...]:
    """The recipes that were added to a sweep, by number. One listing, and a read of each.

    Raises InputError where a file is damaged, or is another sweep's.
    """
    if storage is None:
        return ()
    return tuple(
        read_proposal(storage, sweep, number) for number in proposal_numbers(storage, sweep)
    )


def proposal_numbers(storage: Storage, sweep: str) -> list[int]:
    """The numbers of the recipes that were added to a sweep, sorted. One listing.

    Files that are called otherwise, such as copies, are none.
    """
    names = storage.list(layout.sweep_proposals(sweep))
    stems = (name.removesuffix(".json") for name in names)
    numbers = (int(stem) for stem in stems if stem.isascii() and stem.isdigit())
    called = {layout.sweep_proposal(sweep, n).rpartition("/")[2]: n for n in numbers}
    return sorted(called[name] for name in called.keys() & set(names))


def read_new(storage: Storage, sweep: str, known: Iterable[int]) -> tuple[Proposal, ...]:
    """Those that are not among the `known` numbers. One listing, and a read of each new one."""
    seen = set(known)
    numbers = (n for n in proposal_numbers(storage, sweep) if n not in seen)
    return tuple(read_proposal(storage, sweep, number) for number in numbers)


def read_proposal(storage: Storage, sweep: str, number: int) -> Proposal:
    """One recipe that was added to a sweep.

    Raises FileNotFoundError; InputError where the file is damaged, or is another sweep's.
    """
    path = layout.sweep_proposal(sweep, number)
    found = read_record(storage, path, Proposal)
    if (found.sweep, found.number) != (sweep, number):
        problem = f"it is number {found.number} of the sweep {found.sweep!r}"
        raise InputError(storage.full_path(path), problem, Proposal.REMEDY)
    return found


def add_proposal(
    storage: Storage,
    sweep: str,
    fields: Mapping[str, Any],
    source: str = HAND,
    departure: Departure | None = None,
    tokens: int = 0,
) -> Proposal:
    """Add a recipe to a sweep under the next free number."""
    number = max(proposal_numbers(storage, sweep), default=-1) + 1
    while True:
        made = Proposal(
            number=number,
            fields=dict(fields),
            source=source,
            departure=departure,
            tokens=tokens,
            sweep=sweep,
        )
        # Somebody else may have taken the number between the listing and this.
        if record_proposal(storage, made):
            return made
        number += 1


def record_proposal(storage: Storage, made: Proposal) -> bool:
    """Add a recipe to its sweep under its number; False, and nothing added, if that is taken."""
    path = layout.sweep_proposal(made.sweep, made.number)
    return storage.create(path, record_bytes(made)) is not None
