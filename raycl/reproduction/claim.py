"""What a claim is, and the words and experiments of the two shifts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from raycl.reproduction.decide import Verdict
from raycl.reproduction.evidence import Corpora, Evidence, Measure, Values
from raycl.reproduction.picks import of_kind, single


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper (or of its follow-up configs), and the function that judges it."""

    name: str
    sentence: str
    section: str
    judge: Callable[[Evidence], Verdict]


@dataclass(frozen=True)
class Shift:
    """One of the paper's two shifts: its experiments, and the replay share the paper advises."""

    name: str
    replay: str
    advised: float

    @property
    def warmup(self) -> str:
        return f"e3-warmup-{self.name}"

    @property
    def max_lr(self) -> str:
        return f"e4-max-lr-{self.name}"

    @property
    def merge(self) -> str:
        return f"e13-merge-{self.name}"

    def elsewhere(self, kind: str) -> tuple[str, ...]:
        """Experiments that hold a baseline of this kind as their only recipe."""
        alone = {
            "union": f"e2-union-{self.name}",
            "scratch": f"e1-scratch-{self.name}",
            "previous": "e0-pile",
        }
        return (alone[kind],)


WEAK = Shift("weak", "e5-replay-weak", 0.05)
STRONG = Shift("strong", "e6-replay-strong", 0.25)
SHIFTS = (WEAK, STRONG)


def baseline(
    evidence: Evidence, shift: Shift, kind: str, measure: Measure, corpora: Corpora | None = None
) -> Values:
    """A baseline's measure by seed: from the replay experiment, or from the one that is it alone.

    One experiment's baselines serve all of its shift: they share corpora, tokens and schedule.
    """
    parts = corpora or evidence.corpora(shift.replay)
    found = dict(evidence.paired(shift.replay, measure, of_kind(kind), parts))
    for experiment in shift.elsewhere(kind):
        for seed, value in evidence.paired(experiment, measure, single(), parts).items():
            found.setdefault(seed, value)
    return found


def percent(share: float) -> str:
    """0.005 as `0.5 %`."""
    return f"{100 * share:g} %"
