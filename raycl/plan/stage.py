"""One stage of a chain with everything resolved, and what is hashed of its steps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from raycl.errors import InputError
from raycl.plan.anneal import Annealed
from raycl.plan.epochs import order_word
from raycl.plan.loss_weights import PLAIN, LossWeights
from raycl.plan.mixture import Mixture, Source
from raycl.plan.rounding import Counts
from raycl.plan.schedule import BaseSchedule
from raycl.plan.shifted import Shifted
from raycl.plan.trained import ALL, Trains

_KEPT_RANGES = 48
"""Ranges of steps whose rows stay in memory: enough for a stage of 190,000 steps, which recipes
of a sweep read alike."""


@dataclass(frozen=True)
class ChainStage:
    """One stage with everything resolved: what is read, at which rates, for how many steps."""

    name: str
    steps: int
    schedule: BaseSchedule | Annealed | Shifted
    mixture: Mixture
    reset_optimizer: bool = True
    workers: int = 1
    fewest_workers: int | None = None
    """The least number of workers while machines are away; None: always `workers`."""
    whole_steps: int | None = None
    """Length for which the schedule is made, where the stage stops earlier; None: `steps`."""
    trains: Trains = ALL
    """The weights that its steps update."""
    loss_weights: LossWeights = PLAIN
    """How much a token of each corpus counts in the loss."""

    @property
    def loss_weights_text(self) -> str:
        """What the loss weights mean for the stage as a whole, for people; empty without any."""
        if self.loss_weights.plain:
            return ""
        rows = self.mixture.supplied(np.array([self.steps]))[:, 0]
        corpora = (source.corpus for source in self.mixture.sources)
        return self.loss_weights.text(list(zip(corpora, map(int, rows), strict=True)))

    def rates(self, first: int, stop: int, tokens_per_step: int) -> NDArray[np.float64]:
        """Learning rates of the stage's updates first … stop − 1."""
        steps = np.arange(first, stop, dtype=np.float64)
        return self.schedule.rates(steps, self.whole_steps or self.steps, tokens_per_step)


def step_words(
    stage: ChainStage,
    start: int,
    stop: int,
    tokens_per_step: int,
    fingerprints: Mapping[str, str],
    resets: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Words that are hashed of the stage's steps start … stop − 1, and how many each step has.

    The words of a step: whether the optimizer is reset, with which weights are trained where it is
    not all of them, and which weights corpora have in the loss where not all have 1; the bits of
    the rate; and the words of each source (see `_source_words`). A
    source without rows in a step has no words there, and sources stand in batch order. So the words
    of two steps are equal exactly when the steps train the same.
    `resets` says whether the optimizer is reset before the stage's first step.
    """
    sources = stage.mixture.sources
    supplied = _supplied(stage.mixture, start, stop)
    table = np.zeros((stop - start, 2 + 4 * len(sources)), dtype=np.int64)
    table[:, 0] = stage.loss_weights.word(stage.trains.word, fingerprints)
    table[:1, 0] += resets and start == 0  # a slice, since the range may be empty
    table[:, 1] = _usable(stage, start, stage.rates(start, stop, tokens_per_step)).view(np.int64)
    counts = np.diff(supplied)
    for number, source in enumerate(sources):
        column = 2 + 4 * number
        table[:, column] = _corpus_word(fingerprints[source.corpus])
        positions = source.first + supplied[number, :-1]
        table[:, column + 1 : column + 4] = _source_words(source, positions, counts[number])
    present = counts.T > 0
    lengths = 2 + 4 * present.sum(axis=1)
    if present.all():
        return table.ravel(), lengths
    keep = np.ones_like(table, dtype=bool)
    keep[:, 2:] = np.repeat(present, 4, axis=1)
    return table[keep], lengths


def _source_words(source: Source, positions: Counts, counts: Counts) -> Counts:
    """(first row, rows, wrap) of a source in each step, by the positions at which steps begin.

    Where old data begin again in a step, `wrap` is the row behind the last one. A step with new
    data of a later epoch has its position, its rows and a word of the order of later epochs, which
    is negative. Versions before it wrapped new data as old ones, under the words of these.
    """
    first = positions % max(source.limit, 1)
    wrap = np.where(first + counts > source.limit, source.limit, 0)
    again = positions + counts > source.limit
    seed = source.order_seed
    if seed is not None and again[-1:].any():  # positions never fall
        first = np.where(again, positions, first)
        wrap = np.where(again, order_word(source.limit, seed), wrap)
    return np.stack([first, counts, wrap], axis=1)


def _usable(stage: ChainStage, start: int, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rates of updates from `start` on. Raises InputError where one cannot be a rate."""
    wrong = ~(np.isfinite(rates) & (rates >= 0))
    if wrong.any():
        first = int(wrong.argmax())
        raise InputError(
            f"stages.{stage.name}.schedule",
            f"its rate in step {start + first} is {rates[first]:g}",
            "Give rates that are nearer to each other",
        )
    return rates


@lru_cache(maxsize=_KEPT_RANGES)
def _supplied(mixture: Mixture, start: int, stop: int) -> NDArray[np.int64]:
    """Rows that each source has supplied before each step; recipes with other rates ask again."""
    return mixture.supplied(np.arange(start, stop + 1))


@lru_cache(maxsize=1024)
def _corpus_word(fingerprint: str) -> int:
    """A corpus as a number of 63 bits, which an int64 holds."""
    return int.from_bytes(hashlib.sha256(fingerprint.encode()).digest()[:8], "big") >> 1
