"""Which recipes of a search train on: successive halving over rungs, without waiting for others.

A rung is a step of a recipe at which it waits. ASHA (Li et al. 2020, "A System for Massively
Parallel Hyperparameter Tuning", arXiv 1810.05934, algorithm 2) lets a recipe go on whenever it is
among the best 1/factor of all that have reached its rung so far. Hyperband (Li et al. 2018, JMLR
18(185)) hedges against curves that cross: its brackets begin at later and later rungs, and recipes
of one bracket are compared with each other alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


def rungs(begin: int, steps: int, first: float, factor: int) -> tuple[int, ...]:
    """The steps of a chain at which a recipe waits in a stage of `steps` that starts at `begin`.

    They lie after `first`, `first` × factor, `first` × factor² … steps of the stage, rounded to
    whole steps and at least 1, as far as they lie before its end.
    """
    found, part = [], max(first, 1.0)
    while (step := round(part)) < steps:
        found.append(begin + step)
        part *= factor
    return tuple(found)


def bracket_of(number: int, brackets: int, factor: int) -> int:
    """The bracket of the recipe with a number, from 0; the same whenever it is asked for.

    Bracket s begins at rung s. Brackets get recipes in Hyperband's proportions, in which bracket s
    of S has (S / (S − s)) · factor^(S − 1 − s) of them: each then costs about as much as another.
    """
    if brackets <= 1:
        return 0
    weights = [brackets / (brackets - s) * factor ** (brackets - 1 - s) for s in range(brackets)]
    filled = [0] * brackets
    for _ in range(number + 1):
        # The bracket that is farthest behind its share gets the next recipe.
        chosen = min(range(brackets), key=lambda s: ((filled[s] + 1) / weights[s], s))
        filled[chosen] += 1
    return chosen


@dataclass
class _Runner:
    """A recipe on its way over the rungs."""

    bracket: int
    rungs: tuple[int, ...]
    """The steps at which it waits, those of its bracket alone."""
    allowed: int = 0
    """How many of its rungs it may pass."""


@dataclass
class Halving:
    """ASHA in each of several brackets, over recipes by label. The lowest value is the best."""

    factor: int
    _runners: dict[str, _Runner] = field(default_factory=dict)
    _values: dict[tuple[int, int], dict[str, float]] = field(default_factory=dict)
    """By bracket and number of the rung: the value of each recipe that has reached it."""

    def enter(self, label: str, steps: Sequence[int], bracket: int = 0) -> None:
        """Let a recipe take part, whose rungs lie at `steps`; in bracket s without the first s."""
        self._runners[label] = _Runner(bracket, tuple(steps[bracket:]))

    def limit(self, label: str) -> float:
        """The step at which the recipe waits next; infinity where it does not wait any more."""
        runner = self._runners.get(label)
        if runner is None or runner.allowed >= len(runner.rungs):
            return math.inf
        return runner.rungs[runner.allowed]

    def rung_at(self, label: str, step: int) -> int | None:
        """The number of the recipe's rung after `step` steps; None where it has none there."""
        runner = self._runners.get(label)
        if runner is None or step not in runner.rungs:
            return None
        return runner.rungs.index(step)

    def reached(self, label: str, step: int, value: float) -> None:
        """Note that the recipe has come to its rung at `step` with a value; NaN is the worst.

        It has passed the rungs before it, whoever let it.
        """
        rung = self.rung_at(label, step)
        if rung is not None:
            runner = self._runners[label]
            runner.allowed = max(runner.allowed, rung)
            worth = math.inf if math.isnan(value) else value
            self._values.setdefault((runner.bracket, rung), {})[label] = worth

    def passed(self, label: str, step: int) -> None:
        """Note that the recipe has gone on after `step`, or may do so."""
        runner = self._runners.get(label)
        if runner is not None:
            runner.allowed = max(runner.allowed, sum(rung <= step for rung in runner.rungs))

    def promote(self, may: Callable[[str], bool] = lambda _: True) -> str | None:
        """Let the next recipe that may go on pass its rung; None where none may.

        Deep rungs come first. Recipes of one rung go on from the best to the poorest. `may` can
        hold a recipe back, which is then asked about again the next time.
        """
        for (bracket, rung), values in sorted(self._values.items(), key=lambda item: -item[0][1]):
            best = _best(values)[: len(values) // self.factor]
            for label in best:
                if self._waits_at(label, bracket, rung) and may(label):
                    return self._let_on(label)
        return None

    def promote_last(self, may: Callable[[str], bool] = lambda _: True) -> str | None:
        """Let the best recipe of the deepest rung of all go on, when there is nothing else to do.

        So a search of few recipes ends with one that is through.
        """
        for (bracket, rung), values in sorted(self._values.items(), key=lambda item: -item[0][1]):
            for label in _best(values)[:1]:
                if self._waits_at(label, bracket, rung) and may(label):
                    return self._let_on(label)
        return None

    def _waits_at(self, label: str, bracket: int, rung: int) -> bool:
        runner = self._runners[label]
        return (runner.bracket, runner.allowed) == (bracket, rung) and rung < len(runner.rungs)

    def _let_on(self, label: str) -> str:
        self._runners[label].allowed += 1
        return label


def _best(values: dict[str, float]) -> list[str]:
    """The labels from the lowest value to the highest; whoever came first, where they are equal."""
    return sorted(values, key=values.__getitem__)
