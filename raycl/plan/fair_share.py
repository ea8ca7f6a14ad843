"""How sweeps share one cluster: how many workers each may use.

Higher priorities take what they can use first. Sweeps of equal priority get weighted max-min fair
shares (Bertsekas and Gallager, *Data Networks*, 6.5.2), owners first and then the sweeps of each
owner, so that nobody gets more by starting more sweeps. Workers are handed out one node at a time,
always to whoever has least for his share; this is the divisor method of Adams, which gives
everybody a first worker before anybody gets more.

The order of ties turns: who has started a node longest ago comes first. So sweeps that cannot all
run at once, because they are too many or their nodes too large, take turns and none waits for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

_NO_QUOTAS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Claimant:
    """A sweep that wants workers of a cluster."""

    holder: str
    """Its name, which no other has."""
    owner: str = ""
    priority: int = 0
    share: float = 1.0
    """Its weight among sweeps of equal priority; positive."""
    running: tuple[int, ...] = ()
    """Workers of each node that runs."""
    waiting: tuple[int, ...] = ()
    """Workers of each node that could start, in order; none is of use in part."""
    served: float = 0.0
    """When it last started a node (seconds of any one clock); 0: never."""
    since: float = 0.0
    """When it came."""

    @property
    def wanted(self) -> int:
        """All workers that it could use now."""
        return sum(self.running) + sum(self.waiting)


def allotments(
    capacity: float, claimants: Sequence[Claimant], quotas: Mapping[str, int] = _NO_QUOTAS
) -> dict[str, int]:
    """Workers that each claimant may use, by holder; equal arguments give equal results.

    `quotas` has the most workers of some owners, all their sweeps together. The sum is at most
    `usable_capacity`, and no claimant's next portion would fit into what is left.
    """
    given: dict[str, int] = {}
    allowed: dict[str, float] = dict(quotas)
    left = usable_capacity(capacity, claimants, quotas)
    for priority in sorted({claimant.priority for claimant in claimants}, reverse=True):
        level = _Level([each for each in claimants if each.priority == priority], left, allowed)
        level.hand_out()
        given |= level.given
        left = level.left
    return given


def usable_capacity(
    capacity: float, claimants: Sequence[Claimant], quotas: Mapping[str, int] = _NO_QUOTAS
) -> float:
    """The workers to hand out: those of the cluster, or of the first node in turn if it is larger.

    A cluster scales up for what waits, so somebody has to wait for what it does not hold yet.
    """
    for claimant in in_turn(claimants):
        first = claimant.waiting[0] if claimant.waiting else 0
        if 0 < first <= quotas.get(claimant.owner, math.inf):
            return max(capacity, first)
    return capacity


def in_turn(claimants: Iterable[Claimant]) -> list[Claimant]:
    """The claimants in the order in which they come first: by priority, then by turn."""
    return sorted(claimants, key=lambda claimant: (-claimant.priority, _turn(claimant)))


def _turn(claimant: Claimant) -> tuple[float, float, str]:
    return claimant.served, claimant.since, claimant.holder


@dataclass
class _Level:
    """Claimants of equal priority, while they are given workers."""

    claimants: Sequence[Claimant]
    left: float
    allowed: dict[str, float]
    """What each owner who has a quota may still get."""

    def __post_init__(self) -> None:
        self.given = dict.fromkeys((each.holder for each in self.claimants), 0)
        self._coming = {e.holder: [*e.running, *e.waiting][::-1] for e in self.claimants}
        self._owners = _owners(self.claimants)
        self._held = dict.fromkeys(self._owners, 0)

    def hand_out(self) -> None:
        """Give whole nodes until nobody's next one fits.

        The first in turn that waits for several workers gets them before all others get any, or
        these would always take a part of them.
        """
        first = next((each for each in in_turn(self.claimants) if each.waiting), None)
        if first is not None and first.waiting[0] > 1:
            for _ in (*first.running, first.waiting[0]):
                if self._fits(first):
                    self._give(first)
        while fitting := [each for each in self.claimants if self._fits(each)]:
            self._give(min(fitting, key=self._neediness))

    def _fits(self, claimant: Claimant) -> bool:
        coming = self._coming[claimant.holder]
        most = min(self.left, self.allowed.get(claimant.owner, math.inf))
        return bool(coming) and coming[-1] <= most

    def _give(self, claimant: Claimant) -> None:
        portion = self._coming[claimant.holder].pop()
        self.given[claimant.holder] += portion
        self._held[claimant.owner] += portion
        self.left -= portion
        if claimant.owner in self.allowed:
            self.allowed[claimant.owner] -= portion

    def _neediness(self, claimant: Claimant) -> tuple[object, ...]:
        weight, turn = self._owners[claimant.owner]
        own = self.given[claimant.holder] / claimant.share
        return self._held[claimant.owner] / weight, turn, own, _turn(claimant)


def _owners(level: Sequence[Claimant]) -> dict[str, tuple[float, tuple[float, float, str]]]:
    """Weight and turn of each owner: the largest share of his sweeps; when one last started."""
    found = {}
    for owner in {claimant.owner for claimant in level}:
        own = [claimant for claimant in level if claimant.owner == owner and claimant.wanted]
        served = max((claimant.served for claimant in own), default=0.0)
        since = min((claimant.since for claimant in own), default=0.0)
        weight = max((claimant.share for claimant in own), default=1.0)
        found[owner] = weight, (served, since, owner)
    return found
