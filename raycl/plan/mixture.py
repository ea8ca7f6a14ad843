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

Where the shares of the new data change inside the stage, `changing` splits that group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from typing import Literal

import numpy as np

from raycl.plan.bisection import last_where
from raycl.plan.changing import Change, ChangingShares
from raycl.plan.epochs import reordered
from raycl.plan.pairing import Pair, Top, pair_up, split_pair
from raycl.plan.rounding import Counts, round_to_total, rounded

AtEnd = Literal["repeat", "stop", "error"]


@dataclass(frozen=True)
class Source:
    """One corpus as a stage reads it: rows [0, limit), which positions count over and over.

    New data are read again in another order in each epoch (see `epochs`), old data always in the
    order in which they are stored, in which they were first read.
    """

    corpus: str
    weight: Fraction
    """Share of its group (new data or replay); a group's weights sum to 1."""
    replay: bool = False
    first: int = 0
    """Position at which the stage begins to read. New data count on over all epochs."""
    limit: int = 0
    """Rows that may be read: all of the corpus, or for replay those already seen."""
    at_end: AtEnd = "error"
    seed: int | None = 0
    """Of the order of new data in later epochs; None: that of the first one, as versions had it
    that did not know another."""
    end: int | None = None
    """Position at which new data end; None: `limit`, or nowhere where the corpus repeats."""
    later: Fraction | None = None
    """The weight after the change of a mixture that changes; None: the same."""

    @property
    def end_position(self) -> int | None:
        """The position at which its rows end for the stage; None where they never do."""
        if self.end is None and (self.replay or self.at_end == "repeat"):
            return None
        return self.limit if self.end is None else self.end

    @property
    def order_seed(self) -> int | None:
        """The seed of the order of its later epochs; None where it has one order."""
        return None if self.replay else self.seed


@dataclass(frozen=True)
class Run:
    """Rows [first, first + count) of a corpus, in this order; it never wraps."""

    corpus: str
    first: int
    count: int
    block: int | None = None
    """Runs of later epochs with the same number lie near each other; None: of no block."""


_MOST_ROWS = 2**50


class Mixture:
    """The rows of every step of one stage. Raises ValueError for ill-weighted sources."""

    def __init__(
        self,
        sources: Sequence[Source],
        global_batch: int,
        replay: Fraction,
        change: Change | None = None,
        begin: int = 0,
    ) -> None:
        self.sources = tuple(sources)
        self.begin = begin
        """Steps of the stage before its first step here. Shares are rounded as if the mixture had
        been that of the whole stage, so that nothing changes where it was."""
        self.global_batch = global_batch
        self.replay = replay
        self.change = change
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
        self._changing = self._changing_shares(change) if change and replay < 1 else None

    def _pair_up(self, share: Fraction, members: list[int]) -> list[Top]:
        """Pair the rarest sources until at most one of what is left gives less than a row a step.

        A source that gives a row a step is never paired.
        """
        weights = [(self.sources[i].weight * share, i) for i in members]
        return pair_up(weights, Fraction(1, self.global_batch))

    def _changing_shares(self, change: Change) -> ChangingShares:
        new = [source for source in self.sources if not source.replay]
        shares = [(s.weight, s.weight if s.later is None else s.later) for s in new]
        after = [last for _, last in shares]
        if any(last < 0 for last in after) or sum(after, Fraction(0)) != 1:
            raise ValueError("weights after the change: negative, or not 1")
        return ChangingShares(shares, change, (1 - self.replay) * self.global_batch)

    def weight(self, source: Source, steps: int) -> Fraction:
        """The exact share of a source in its group over the first `steps` steps."""
        if self.change is None or source.later is None:
            return source.weight
        late = self.change.mean_between(self.begin, self.begin + steps)
        return source.weight + (source.later - source.weight) * late

    def supplied(self, steps: Counts) -> Counts:
        """Rows of each source [sources, len(steps)] in the first `steps` steps.

        Raises OverflowError beyond 2^50 rows (10^18 tokens).
        """
        if not self.begin:
            return self._of_stage(steps)
        before = self._of_stage(np.array([self.begin]))
        return self._of_stage(np.asarray(steps, dtype=np.int64) + self.begin) - before

    def _of_stage(self, steps: Counts) -> Counts:
        """Rows of each source in the first `steps` steps of the whole stage."""
        if int(np.max(steps, initial=0)) * self.global_batch > _MOST_ROWS:
            raise OverflowError(f"more than {_MOST_ROWS} rows")
        rows = np.asarray(steps, dtype=np.int64) * self.global_batch
        counts = np.zeros((len(self.sources), *rows.shape), dtype=np.int64)
        replayed = rounded(rows, self.replay)
        totals = {False: rows - replayed, True: replayed}
        for (_, members), tops in zip(self._groups, self._tops, strict=True):
            is_replay = self.sources[members[0]].replay
            if self._changing is not None and not is_replay:
                counts[members] = self._changing.split(totals[False])
                continue
            for top, count in self._split_group(tops, rows, totals[is_replay], is_replay):
                split_pair(top, count, counts)
        return counts

    def _split_group(
        self, tops: list[Top], rows: Counts, total: Counts, half_up: bool
    ) -> list[tuple[Pair | int, Counts]]:
        """Rows of each of a group's tops, which sum to `total`.

        A top that gives less than a row a step takes its rounded share first, with halves rounded
        like the group's: so the others' total is less than one row from their exact sum, and
        floors and ceilings of their shares can make it up.
        """
        split: list[tuple[Pair | int, Counts]] = []
        common = [(weight, top) for weight, top in tops if weight * self.global_batch >= 1]
        for weight, top in tops:
            if common and weight * self.global_batch < 1:
                count = rounded(rows, weight, half_up)
                split.append((top, count))
                total = total - count
        common = common or tops
        counts = round_to_total(rows, [weight for weight, _ in common], total)
        return [*split, *zip((top for _, top in common), counts, strict=True)]

    def rows(self, step: int) -> list[Run]:
        """The global batch of a step: runs in batch order, whose counts sum to the batch."""
        before, after = self.supplied(np.array([step, step + 1])).T
        runs: list[Run] = []
        for source, start, stop in zip(self.sources, before, after, strict=True):
            runs.extend(_runs(source, int(start), int(stop)))
        return runs

    def row_counts(self, step: int) -> dict[str, int]:
        """The number of rows of each corpus in the global batch of a step."""
        before, after = self.supplied(np.array([step, step + 1])).T
        counts: dict[str, int] = {}
        for source, rows in zip(self.sources, (after - before).tolist(), strict=True):
            if rows:
                counts[source.corpus] = counts.get(source.corpus, 0) + rows
        return counts

    def steps_until_end(self, steps: int) -> dict[str, int]:
        """Per source whose rows end: the whole steps, up to `steps`, that they allow."""
        allowed: dict[str, int] = {}
        ends = self.supplied(np.array([steps]))[:, 0]
        for index, source in enumerate(self.sources):
            if source.end_position is not None:
                available = source.end_position - source.first
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
def mixture_of(
    sources: tuple[Source, ...],
    global_batch: int,
    replay: Fraction,
    change: Change | None = None,
    begin: int = 0,
) -> Mixture:
    """The mixture of these sources: the same object for equal ones. Raises as `Mixture` does."""
    return Mixture(sources, global_batch, replay, change, begin)


def _runs(source: Source, start: int, stop: int) -> list[Run]:
    """Rows start … stop − 1 that the source supplies, as runs in the order of reading."""
    runs = []
    while start < stop:
        epoch, first = divmod(source.first + start, source.limit)
        count = min(stop - start, source.limit - first)
        if epoch and source.order_seed is not None:
            runs += _reordered(source, source.order_seed, source.first + start, count)
        else:
            runs.append(Run(source.corpus, first, count))
        start += count
    return runs


def _reordered(source: Source, seed: int, position: int, count: int) -> list[Run]:
    """The rows of `count` positions of a later epoch; neighbours are one run."""
    rows, blocks = reordered(position, count, source.limit, seed)
    apart = (np.diff(rows, prepend=-2) != 1) | (np.diff(blocks, prepend=-1) != 0)
    begins = np.flatnonzero(apart)
    lengths = np.diff(begins, append=count)
    parts = zip(rows[begins].tolist(), lengths.tolist(), blocks[begins].tolist(), strict=True)
    return [Run(source.corpus, *part) for part in parts]
