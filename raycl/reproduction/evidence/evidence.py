"""The stored outcomes by experiment and seed, and how one number per seed comes out of them.

D0 are the corpora that are new in an experiment's first stage, D1 those that are new in its last
one. No corpus is known by its name, so that the same code reads any pair of corpora.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from raycl.reproduction.evidence.paired import Values
from raycl.results.outcome import RecipeOutcome

Outcomes = Sequence[RecipeOutcome]
"""The outcomes of one experiment with one seed."""

Pick = Callable[[Outcomes], RecipeOutcome | None]
"""Chooses one of an experiment's outcomes; None where it is not there."""


@dataclass(frozen=True)
class Corpora:
    """The corpora of an experiment by their part in it, in the order in which they are learned."""

    first: tuple[str, ...] = ()
    """D0: new in the first stage."""
    last: tuple[str, ...] = ()
    """D1: new in the last stage."""
    all: tuple[str, ...] = ()

    @property
    def before_last(self) -> tuple[str, ...]:
        """Those learned before the last stage and not new in it: they can be forgotten."""
        return tuple(corpus for corpus in self.all if corpus not in self.last)


Measure = Callable[[RecipeOutcome, Corpora], float]
"""A number of one outcome; NaN where the outcome does not give it."""

_KINDS_WITH_STAGES = ("sweep", "merged", "anneal")
"""Kinds whose stages are those of the experiment. A baseline learns in another order."""


@dataclass(frozen=True)
class Evidence:
    """Stored outcomes by experiment (its recipe's name) and seed; any of them may be missing."""

    runs: Mapping[str, Mapping[int, Outcomes]]

    def outcomes(self, experiment: str, seed: int) -> list[RecipeOutcome]:
        """The outcomes of one seed; empty where it was not run."""
        return list(self.runs.get(experiment, {}).get(seed, ()))

    def seeds(self, experiment: str) -> list[int]:
        """Seeds with which the experiment has any outcome, in rising order."""
        return sorted(seed for seed, found in self.runs.get(experiment, {}).items() if found)

    def corpora(self, *experiments: str) -> Corpora:
        """D0, D1 and every corpus of the longest chain, of the first experiment that was run."""
        for experiment in experiments:
            chains = [
                outcome
                for seed in self.seeds(experiment)
                for outcome in self.outcomes(experiment, seed)
                if outcome.kind in _KINDS_WITH_STAGES and outcome.stages
            ]
            if chains:
                return self._parts(chains)
        return Corpora()

    @staticmethod
    def _parts(chains: Outcomes) -> Corpora:
        longest = max(chains, key=lambda outcome: len(outcome.stages))
        learned = [corpus for stage in longest.stages for corpus in stage.new]
        return Corpora(longest.stages[0].new, longest.stages[-1].new, tuple(dict.fromkeys(learned)))

    def picked(self, experiment: str, pick: Pick) -> dict[int, RecipeOutcome]:
        """Seed -> the outcome that `pick` chooses, for the seeds that have it."""
        found = {seed: pick(self.outcomes(experiment, seed)) for seed in self.seeds(experiment)}
        return {seed: outcome for seed, outcome in found.items() if outcome is not None}

    def paired(
        self, experiment: str, measure: Measure, pick: Pick, corpora: Corpora | None = None
    ) -> Values:
        """The measure of the picked outcome, by seed; seeds where it is not finite are left out.

        `corpora` are given where they are those of another experiment: a baseline that was run
        alone does not know the stages of the experiment that it is compared with.
        """
        parts = corpora or self.corpora(experiment)
        found = self.picked(experiment, pick)
        values = {seed: measure(outcome, parts) for seed, outcome in found.items()}
        return {seed: value for seed, value in values.items() if math.isfinite(value)}
