"""The paper's two shifts: the experiments of each, and the baselines that all of them share."""

from __future__ import annotations

from dataclasses import dataclass

from raycl.reproduction.evidence.evidence import Corpora, Evidence, Measure
from raycl.reproduction.evidence.paired import Values
from raycl.reproduction.evidence.picks import of_kind, single


@dataclass(frozen=True)
class Shift:
    """One of the paper's two shifts: its experiments, and the replay share the paper advises."""

    name: str
    replay: str
    """Name of the replay experiment."""
    advised: float
    """The advised replay share, 0 to 1."""

    @property
    def warmup(self) -> str:
        """The experiment that sweeps the length of the warm-up."""
        return f"e3-warmup-{self.name}"

    @property
    def max_lr(self) -> str:
        """The experiment that sweeps the max learning rate."""
        return f"e4-max-lr-{self.name}"

    @property
    def merge(self) -> str:
        """The experiment that merges models instead of replaying."""
        return f"e13-merge-{self.name}"

    @property
    def union(self) -> str:
        """The experiment that trains on D0 and D1 mixed."""
        return f"e2-union-{self.name}"

    def alone(self, kind: str) -> str:
        """The experiment that has a baseline of this kind as its only recipe."""
        return {
            "union": self.union,
            "scratch": f"e1-scratch-{self.name}",
            "previous": "e0-pile",
        }[kind]

    @property
    def opening(self) -> str:
        """The words with which a claim about this shift begins."""
        return f"{self.name.capitalize()} shift:"


WEAK = Shift("weak", "e5-replay-weak", 0.05)
STRONG = Shift("strong", "e6-replay-strong", 0.25)
SHIFTS = (WEAK, STRONG)


def baseline(
    evidence: Evidence, shift: Shift, kind: str, measure: Measure, corpora: Corpora | None = None
) -> Values:
    """A baseline's measure by seed: from the replay experiment, else from its own experiment.

    One experiment's baselines serve all of its shift: they share corpora, tokens and schedule.
    """
    parts = corpora or evidence.corpora(shift.replay)
    within = evidence.paired(shift.replay, measure, of_kind(kind), parts)
    alone = evidence.paired(shift.alone(kind), measure, single(), parts)
    return {**alone, **within}


def percent(share: float) -> str:
    """0.005 as `0.5 %`."""
    return f"{100 * share:g} %"
