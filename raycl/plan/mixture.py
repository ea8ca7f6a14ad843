"""Which rows of which corpus make the global batch of a step. Pure integers.

Two groups share a batch: the stage's new data and its replay. Inside each group, corpora have exact
rational weights. How many rows a source has supplied after t steps is a closed form of t, so that
step 10^6 costs what step 0 costs. Guarantees, with N = t × batch rows delivered so far:

- the replay group has supplied N × replay rounded to the nearest row: it never drifts by a row;
- every source that gives at least one row a step stays less than one row from its exact share;
- rarer sources are paired, smallest first, until a pair gives a row a step or one pair is left, and
  each pair is split by rounding: no count ever goes back, and they stay less than two rows from
  their exact share (a pair's larger half is a pair only below 2/3 of it, so errors stay below 3/2
  down the pairs, and a last split adds at most 1/2);
- the counts of a step are never negative and sum to the batch.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from raycl.plan.bisection import last_where

Counts = NDArray[np.int64]
AtEnd = Literal["repeat", "stop", "error"]


@dataclass(frozen=True)
class Source:
    """One corpus as a stage reads it: from row `first`, inside rows [0, limit)."""

    corpus: str
    weight: Fraction
    """Share of its group (new data or replay); a group's weights sum to 1."""
    replay: bool = False
    first: int = 0
    limit: int = 0
    """Rows that may be read: all of the corpus, or for replay those already seen."""
    at_end: AtEnd = "error"


@dataclass(frozen=True)
class Run:
    """Rows [first, first + count) of a corpus; it never wraps."""

    corpus: str
    first: int
    count: int


@dataclass(frozen=True)
class _Pair:
    left: _Pair | int
    right: _Pair | int
    left_share: Fraction


_MOST_ROWS = 2**50


def _divide(counts: Counts, share: Fraction) -> tuple[Counts, Any]:
    """⌊counts × share⌋ and the remainder in units of 1/denominator; both are exact."""
    numerator, denominator = share.numerator, share.denominator
    if denominator >= 2**60:
        product = counts.astype(object) * numerator
        return np.asarray(product // denominator, dtype=np.int64), product % denominator
    # Below 2^50 rows the floating-point quotient is at most one off. The remainder tells: it is
    # less than 2^62, so 64-bit arithmetic, exact modulo 2^64, finds it though the products wrap.
    guess = np.floor(counts * (numerator / denominator)).astype(np.int64)
    rest = counts * numerator - guess * denominator
    correction = rest // denominator
    return guess + correction, rest - correction * denominator


def _rounded(counts: Counts, share: Fraction, half_up: bool = True) -> Counts:
    """The whole numbers nearest to counts × share, exact."""
    floor, rest = _divide(counts, share)
    up = 2 * rest >= share.denominator if half_up else 2 * rest > share.denominator
    nearest: Counts = floor + up.astype(np.int64)
    return nearest


def _round_to_total(rows: Counts, shares: Sequence[Fraction], totals: Counts) -> list[Counts]:
    """⌊rows × share⌋ for each share; what is missing to `totals` goes to the largest remainders."""
    parts = [_divide(rows, share) for share in shares]
    floors = np.stack([floor for floor, _ in parts])
    remainders = np.stack(
        [
            np.asarray(rest / share.denominator, dtype=np.float64)
            for (_, rest), share in zip(parts, shares, strict=True)
        ]
    )
    missing = totals - floors.sum(axis=0)
    # A stable sort breaks ties by position, the same way at every step.
    order = np.argsort(-remainders, axis=0, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(shares))[:, None], axis=0)
    return list(floors + (rank < missing))


class Mixture:
    """The rows of every step of one stage. Raises ValueError for ill-weighted sources."""

    def __init__(self, sources: Sequence[Source], global_batch: int, replay: Fraction) -> None:
        self.sources = tuple(sources)
        self.global_batch = global_batch
        self.replay = replay
        if global_batch < 1 or not 0 <= replay <= 1 or any(s.weight < 0 for s in self.sources):
            raise ValueError("a batch below 1, a replay share outside 0 … 1, or a negative weight")
        self._groups: list[tuple[Fraction, list[int]]] = []
        for share, is_replay in ((1 - replay, False), (replay, True)):
            members = [i for i, s in enumerate(self.sources) if s.replay == is_replay]
            if share == 0:
                continue
            if sum((self.sources[i].weight for i in members), Fraction(0)) != 1:
                raise ValueError(f"weights of the {'replay' if is_replay else 'new'} data: not 1")
            self._groups.append((share, members))
        self._tops = [self._pair_up(share, members) for share, members in self._groups]

    def _pair_up(self, share: Fraction, members: list[int]) -> list[tuple[Fraction, _Pair | int]]:
        """Pair the rarest sources until at most one of what is left gives less than a row a step.

        A source that gives a row a step is never paired.
        """
        heap: list[tuple[Fraction, int, _Pair | int]] = [
            (self.sources[i].weight * share, i, i) for i in members if self.sources[i].weight > 0
        ]
        heapq.heapify(heap)
        while len(heap) > 1:
            first, second = heapq.heappop(heap), heapq.heappop(heap)
            if second[0] * self.global_batch >= 1:
                heap += [first, second]
                break
            weight = first[0] + second[0]
            pair = _Pair(second[2], first[2], second[0] / weight)
            heapq.heappush(heap, (weight, min(first[1], second[1]), pair))
        return [(weight, top) for weight, _, top in sorted(heap, key=lambda entry: entry[1])]

    def supplied(self, steps: Counts) -> Counts:
        """Rows of each source [sources, len(steps)] in the first `steps` steps of the stage.

        Raises OverflowError beyond 2^50 rows (10^18 tokens).
        """
        if int(np.max(steps, initial=0)) * self.global_batch > _MOST_ROWS:
            raise OverflowError(f"more than {_MOST_ROWS} rows")
        rows = np.asarray(steps, dtype=np.int64) * self.global_batch
        counts = np.zeros((len(self.sources), *rows.shape), dtype=np.int64)
        replayed = _rounded(rows, self.replay)
        totals = {False: rows - replayed, True: replayed}
        for (_, members), tops in zip(self._groups, self._tops, strict=True):
            is_replay = self.sources[members[0]].replay
            for top, count in self._split_group(tops, rows, totals[is_replay], is_replay):
                self._split_pair(top, count, counts)
        return counts

    def _split_group(
        self, tops: list[tuple[Fraction, _Pair | int]], rows: Counts, total: Counts, half_up: bool
    ) -> list[tuple[_Pair | int, Counts]]:
        """Rows of each of a group's tops, which sum to `total`.

        A top that gives less than a row a step takes its rounded share first, with halves rounded
        like the group's: so the others' total is less than one row from their exact sum, and
        floors and ceilings of their shares can make it up.
        """
        split: list[tuple[_Pair | int, Counts]] = []
        common = [(weight, top) for weight, top in tops if weight * self.global_batch >= 1]
        for weight, top in tops:
            if common and weight * self.global_batch < 1:
                count = _rounded(rows, weight, half_up)
                split.append((top, count))
                total = total - count
        common = common or tops
        counts = _round_to_total(rows, [weight for weight, _ in common], total)
        return [*split, *zip((top for _, top in common), counts, strict=True)]

    def _split_pair(self, top: _Pair | int, count: Counts, counts: Counts) -> None:
        if isinstance(top, int):
            counts[top] = count
            return
        left = _rounded(count, top.left_share)
        self._split_pair(top.left, left, counts)
        self._split_pair(top.right, count - left, counts)

    def rows(self, step: int) -> list[Run]:
        """The global batch of a step: runs in batch order, whose counts sum to the batch."""
        before, after = self.supplied(np.array([step, step + 1])).T
        runs: list[Run] = []
        for source, start, stop in zip(self.sources, before, after, strict=True):
            runs.extend(_runs(source, int(start), int(stop)))
        return runs

    def steps_until_end(self, steps: int) -> dict[str, int]:
        """Per source that does not repeat: the whole steps, up to `steps`, that its rows allow."""
        allowed: dict[str, int] = {}
        ends = self.supplied(np.array([steps]))[:, 0]
        for index, source in enumerate(self.sources):
            if source.at_end != "repeat" and not source.replay:
                available = source.limit - source.first
                enough = steps
                # Nearly always the rows suffice for all steps, which one look at the end tells.
                if ends[index] > available:
                    enough = last_where(partial(self._supplies, index, available), 0, steps)
                allowed[source.corpus] = min(enough, allowed.get(source.corpus, enough))
        return allowed

    def _supplies(self, index: int, available: int, steps: int) -> bool:
        """Whether a source needs no more than the available rows in so many steps."""
        return bool(self.supplied(np.array([steps]))[index, 0] <= available)


@lru_cache(maxsize=1024)
def mixture_of(sources: tuple[Source, ...], global_batch: int, replay: Fraction) -> Mixture:
    """The mixture of these sources: the same object for equal ones. Raises as `Mixture` does."""
    return Mixture(sources, global_batch, replay)


def _runs(source: Source, start: int, stop: int) -> list[Run]:
    """Rows start … stop − 1 that the source supplies, cut where it begins again."""
    runs = []
    while start < stop:
        first = (source.first + start) % source.limit
        count = min(stop - start, source.limit - first)
        runs.append(Run(source.corpus, first, count))
        start += count
    return runs
