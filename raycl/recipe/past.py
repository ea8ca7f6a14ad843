"""The rows that the stages before a stage have read."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import numpy as np

from raycl.plan.chain import ChainStage
from raycl.plan.mixture import Mixture, Source


@dataclass
class Past:
    """The rows that the stages before a stage have read.

    Rows count from a corpus' first row. New data and replay each continue where they have stopped.
    """

    next_new: dict[str, int] = field(default_factory=dict)
    next_replay: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    """The number of rows of each corpus, from its first row on, that were read as new data."""
    mixes: list[tuple[int | Fraction, dict[str, Fraction]]] = field(default_factory=list)
    """Steps of each stage, and each corpus' share of its batches.

    Before them stands what a pretrained model has read, in steps of as many tokens."""
    latest: ChainStage | None = None

    def copy(self) -> Past:
        """A past of its own, to which the next stage can be added."""
        return Past(
            dict(self.next_new),
            dict(self.next_replay),
            dict(self.seen),
            list(self.mixes),
            self.latest,
        )

    def shares(self) -> dict[str, Fraction]:
        """Each corpus' share of all that was read, replay included (paper §4)."""
        total = sum(steps for steps, _ in self.mixes)
        result: dict[str, Fraction] = {}
        for steps, mix in self.mixes:
            for corpus, share in mix.items():
                part = share * Fraction(steps) / Fraction(total)
                result[corpus] = result.get(corpus, Fraction(0)) + part
        return result


def remember(history: Past, part: ChainStage) -> None:
    """Add to the history what a stage, or a part of one, has read."""
    mixture, steps = part.mixture, part.steps
    supplied = rows_supplied(mixture, steps)
    mix: dict[str, Fraction] = {}
    for source, rows in zip(mixture.sources, supplied, strict=True):
        share = share_of(mixture, source, steps)
        mix[source.corpus] = mix.get(source.corpus, Fraction(0)) + share
        cursors = history.next_replay if source.replay else history.next_new
        cursors[source.corpus] = source.first + rows
    for source in mixture.sources:
        if not source.replay:
            reached = min(history.next_new[source.corpus], source.limit)
            wrapped = history.next_new[source.corpus] >= source.limit
            seen = source.limit if wrapped else reached
            history.seen[source.corpus] = max(seen, history.seen.get(source.corpus, 0))
    history.mixes.append((steps, mix))
    history.latest = part


def share_of(mixture: Mixture, source: Source, steps: int) -> Fraction:
    """A source's exact share of the batches of a stage of so many steps."""
    group = mixture.replay if source.replay else 1 - mixture.replay
    return mixture.weight(source, steps) * group


@lru_cache(maxsize=1024)
def rows_supplied(mixture: Mixture, steps: int) -> tuple[int, ...]:
    """Rows that each source supplies in a stage of so many steps."""
    return tuple(int(rows) for rows in mixture.supplied(np.array([steps]))[:, 0])
