"""What was run: experiment -> seed -> outcomes; and one number per seed out of it.

D0 are the corpora that are new in an experiment's first stage, D1 those new in its last one. No
corpus is known by its name, so that the same code reads any pair of corpora.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from raycl.results.outcome import RecipeOutcome

Values = Mapping[int, float]
"""One finite number per seed; a seed that has none is left out."""

Pick = Callable[[Sequence[RecipeOutcome]], RecipeOutcome | None]
"""Which of an experiment's outcomes is meant; None where it is not there."""


@dataclass(frozen=True)
class Corpora:
    """The corpora of an experiment by their part in it, in the order of learning."""

    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    all: tuple[str, ...] = ()

    @property
    def before_last(self) -> tuple[str, ...]:
        """Those learned before the last stage and not new in it: what can be forgotten."""
        return tuple(corpus for corpus in self.all if corpus not in self.last)


Measure = Callable[[RecipeOutcome, Corpora], float]
"""A number of one outcome; NaN where the outcome does not give it."""

PARTS = ("sweep", "merged", "anneal")
"""Kinds that know an experiment's stages; a baseline learns its corpora in another order."""


@dataclass(frozen=True)
class Evidence:
    """Stored outcomes by experiment (its recipe's name) and seed; any of them may be missing."""

    runs: Mapping[str, Mapping[int, Sequence[RecipeOutcome]]]

    def outcomes(self, experiment: str, seed: int) -> list[RecipeOutcome]:
        """The outcomes of one seed; empty where it was not run."""
        return list(self.runs.get(experiment, {}).get(seed, ()))

    def seeds(self, experiment: str) -> list[int]:
        """Seeds of which the experiment has any outcome, in rising order."""
        return sorted(seed for seed, found in self.runs.get(experiment, {}).items() if found)

    def corpora(self, *experiments: str) -> Corpora:
        """D0, D1 and every corpus of the longest chain, of the first experiment that was run."""
        for experiment in experiments:
            chains = [
                outcome
                for seed in self.seeds(experiment)
                for outcome in self.outcomes(experiment, seed)
                if outcome.kind in PARTS and outcome.stages
            ]
            if chains:
                return self._parts(chains)
        return Corpora()

    @staticmethod
    def _parts(chains: Sequence[RecipeOutcome]) -> Corpora:
        longest = max(chains, key=lambda outcome: len(outcome.stages))
        learned = [corpus for stage in longest.stages for corpus in stage.new]
        return Corpora(longest.stages[0].new, longest.stages[-1].new, tuple(dict.fromkeys(learned)))

    def picked(self, experiment: str, pick: Pick) -> dict[int, RecipeOutcome]:
        """The meant outcome of every seed that has it."""
        found = {seed: pick(self.outcomes(experiment, seed)) for seed in self.seeds(experiment)}
        return {seed: outcome for seed, outcome in found.items() if outcome is not None}

    def paired(
        self, experiment: str, measure: Measure, pick: Pick, corpora: Corpora | None = None
    ) -> Values:
        """The measure of the picked outcome, by seed.

        `corpora` are those of another experiment, where this one is a baseline to it.
        """
        parts = corpora or self.corpora(experiment)
        found = self.picked(experiment, pick)
        values = {seed: measure(outcome, parts) for seed, outcome in found.items()}
        return {seed: value for seed, value in values.items() if math.isfinite(value)}


def minus(left: Values, right: Values) -> Values:
    """Left − right for every seed that has both: the paired difference."""
    return {seed: left[seed] - right[seed] for seed in left if seed in right}


def lowest(several: Sequence[Values]) -> Values:
    """The lowest value of each seed that has all of them."""
    return _over(min, several)


def highest(several: Sequence[Values]) -> Values:
    """The highest value of each seed that has all of them."""
    return _over(max, several)


def mean_of(several: Sequence[Values]) -> Values:
    """The mean of each seed's values, for the seeds that have all of them."""
    return _over(lambda values: sum(values) / len(values), several)


def _over(function: Callable[[list[float]], float], several: Sequence[Values]) -> Values:
    if not several:
        return {}
    shared = set(several[0]).intersection(*several[1:])
    return {seed: function([values[seed] for values in several]) for seed in sorted(shared)}
