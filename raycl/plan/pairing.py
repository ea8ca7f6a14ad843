"""Pairs of rare sources: together they give enough rows, which each pair splits by rounding."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from raycl.plan.rounding import Counts, rounded


@dataclass(frozen=True)
class Pair:
    """Two sources, or pairs of them, by number; the left one has the larger share."""

    left: Pair | int
    right: Pair | int
    left_share: Fraction


Top = tuple[Fraction, Pair | int]
"""A source or a pair, and its weight."""


def pair_up(weights: Sequence[tuple[Fraction, int]], enough: Fraction | None) -> list[Top]:
    """Pair the rarest sources until at most one of what is left weighs less than `enough`.

    A source that weighs enough is never paired; with None all are, until one is left. Sources
    without weight are left out.
    """
    heap: list[tuple[Fraction, int, Pair | int]] = [(w, i, i) for w, i in weights if w > 0]
    heapq.heapify(heap)
    while len(heap) > 1:
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        if enough is not None and second[0] >= enough:
            heap += [first, second]
            break
        weight = first[0] + second[0]
        pair = Pair(second[2], first[2], second[0] / weight)
        heapq.heappush(heap, (weight, min(first[1], second[1]), pair))
    return [(weight, top) for weight, _, top in sorted(heap, key=lambda entry: entry[1])]


def split_pair(top: Pair | int, count: Counts, counts: Counts) -> None:
    """Add `count` rows of a top to those of its sources in `counts` [sources, …]."""
    if isinstance(top, int):
        counts[top] += count
        return
    left = rounded(count, top.left_share)
    split_pair(top.left, left, counts)
    split_pair(top.right, count - left, counts)
