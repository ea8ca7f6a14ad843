"""Which of many states lie on a chain, found by their steps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Protocol


class NamedSteps(Protocol):
    """What finding a state needs of a chain."""

    def name(self, step: int) -> str:
        """The name of the state after `step` steps."""


class StateIndex:
    """Names of states by the steps they begin with; what begins otherwise is no state."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_step: dict[int, set[str]] = {}
        for name in names:
            digits = name.partition("-")[0]
            if digits.isascii() and digits.isdecimal():
                self._by_step.setdefault(int(digits), set()).add(name)
        self._steps = sorted(self._by_step)

    def along(self, chain: NamedSteps, stop: int, above: int = -1) -> Iterator[tuple[int, str]]:
        """(steps, name) of those on the chain after more than `above` and at most `stop` steps.

        The deepest comes first. Costs one name of the chain for each such step at which any is.
        """
        first, last = bisect_right(self._steps, above), bisect_right(self._steps, stop)
        for step in reversed(self._steps[first:last]):
            if (name := chain.name(step)) in self._by_step[step]:
                yield step, name
