"""Several numbers at once, the lower the better: which points no other one beats."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, ...]


def dominates(first: Point, second: Point) -> bool:
    """Whether the first is nowhere higher than the second, and somewhere lower."""
    pairs = list(zip(first, second, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def front(points: Sequence[Point]) -> list[bool]:
    """For each point whether no other one dominates it; of equal points all are on the front."""
    return [not any(dominates(other, point) for other in points) for point in points]


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The volume that is dominated by the points and dominates the reference point, exactly.

    It is in the product of the units of all coordinates. A point that does not dominate the
    reference adds nothing. By slices along the last coordinate (HSO: While, Hingston, Barone &
    Huband 2006, "A faster algorithm for calculating hypervolume", §III); its time grows
    with the number of points to the power of the number of coordinates less one.
    """
    inside = [
        p for p in dict.fromkeys(points) if all(a < b for a, b in zip(p, reference, strict=True))
    ]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(point[0] for point in inside)
    kept = sorted(
        (p for p, best in zip(inside, front(inside), strict=True) if best), key=lambda p: p[-1]
    )
    ends = [point[-1] for point in kept[1:]] + [reference[-1]]
    total = 0.0
    for number, (point, end) in enumerate(zip(kept, ends, strict=True)):
        slab = [other[:-1] for other in kept[: number + 1]]
        total += (end - point[-1]) * hypervolume(slab, reference[:-1])
    return total


def nadir(points: Sequence[Point]) -> Point:
    """The worst value of each coordinate among the points: the usual reference point."""
    return tuple(max(values) for values in zip(*points, strict=True))
