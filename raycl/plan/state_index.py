"""Finds which of many stored states lie on a chain. The names begin with numbers of steps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Protocol


class NamedSteps(Protocol):
    """The part of a chain that is needed to find its states."""

    def name(self, step: int) -> str:
        """The name of the state after `step` steps."""


class StateIndex:
    """Names of states, sorted by the number of steps with which each begins.

    Names that do not begin with a number are ignored.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_step: dict[int, set[str]] = {}
        for name in names:
            digits = name.partition("-")[0]
            if digits.isascii() and digits.isdecimal():
                self._by_step.setdefault(int(digits), set()).add(name)
        self._steps = sorted(self._by_step)

    def any_between(self, above: int, below: int) -> bool:
        """Whether some state, of whatever chain, has a number of steps between the two."""
        return bisect_right(self._steps, above) < bisect_left(self._steps, below)

    def along(self, chain: NamedSteps, stop: int, above: int = -1) -> Iterator[tuple[int, str]]:
        """(steps, name) of each state on the chain with `above` < steps ≤ `stop`, deepest first.

        A chain computes a name by hashing. So it computes names only for numbers of steps in this
        range that some stored state has.
        """
        first, last = bisect_right(self._steps, above), bisect_right(self._steps, stop)
        for step in reversed(self._steps[first:last]):
            if (name := chain.name(step)) in self._by_step[step]:
                yield step, name
