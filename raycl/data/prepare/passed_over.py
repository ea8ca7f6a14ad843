"""Counts what a corpus passes over: records that cannot be read, documents without content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import pydantic

from raycl.data.manifest import Manifest
from raycl.data.prepare.readers.bad_record import BadRecord, Place
from raycl.errors import InputError
from raycl.storage.record import Part, Record

PASSED_OVER = "passed_over"
"""The name of the counts in the source of a manifest."""
FIRST = 10
"""So many bad records are told with their places."""


class FoundRecord(Part):
    """A record that was passed over."""

    place: Place
    problem: str


class PassedOver(Record):
    """What one part of a preparation passed over, or all of them."""

    WHAT: ClassVar[str] = "the counts of a part of a preparation"
    REMEDY: ClassVar[str] = "Remove the folder that the file is in, and prepare the corpus again"

    contentless: int = 0
    """Documents without a character that can be seen."""
    reasons: dict[str, int] = pydantic.Field(default_factory=dict)
    """What is wrong with records that cannot be read -> how many."""
    first: tuple[FoundRecord, ...] = ()
    """The first of these records, in the order of files and in each from its beginning."""

    @property
    def records(self) -> int:
        """Records that cannot be read."""
        return sum(self.reasons.values())

    def recorded(self) -> dict[str, object]:
        """The counts for a manifest, with places in whole files. Raises InputError."""
        return {
            "contentless": self.contentless,
            "records": dict(sorted(self.reasons.items())),
            "first": [f"{found.place}: {found.problem}" for found in self.first],
        }


@dataclass
class Tally:
    """The fields of `PassedOver`, while they are counted."""

    contentless: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: list[FoundRecord] = field(default_factory=list)

    def add(self, bad: BadRecord) -> None:
        """Count a record that is passed over."""
        self.reasons[bad.reason] += 1
        if len(self.first) < FIRST:
            self.first.append(FoundRecord(place=bad.place, problem=bad.problem))

    def counted(self) -> PassedOver:
        """The counts as they are now."""
        return PassedOver(
            contentless=self.contentless, reasons=dict(self.reasons), first=tuple(self.first)
        )


def total_passed_over(units: Iterable[PassedOver]) -> PassedOver:
    """The sum over units, which come in their order."""
    sum_ = Tally()
    for unit in units:
        sum_.contentless += unit.contentless
        sum_.reasons.update(unit.reasons)
        sum_.first += unit.first[: FIRST - len(sum_.first)]
    return sum_.counted()


def check_allowed(corpus: str, counted: PassedOver, on_bad_record: str) -> None:
    """Raise InputError where an earlier run passed records over that now are errors."""
    if counted.records and on_bad_record != "skip":
        first = counted.first[0]
        raise InputError(
            str(first.place),
            f"{first.problem}; an earlier run of the preparation of corpus {corpus!r} passed over "
            f"{counted.records:,} such records",
            "Correct the text, or set `on_bad_record: skip` again",
        )


def told(manifest: Manifest) -> Iterator[str]:
    """What to tell of a prepared corpus; nothing where nothing was passed over."""
    counts = manifest.source.get(PASSED_OVER, {})
    if contentless := counts.get("contentless"):
        yield (
            f"corpus {manifest.name}: {contentless:,} documents hold nothing that can be seen, and "
            "were left out"
        )
    if reasons := counts.get("records"):
        listed = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.items())
        yield (
            f"corpus {manifest.name}: {sum(reasons.values()):,} records cannot be read, and were "
            f"passed over ({listed}); the first of them:"
        )
        yield from (f"  {place}" for place in counts.get("first", []))
