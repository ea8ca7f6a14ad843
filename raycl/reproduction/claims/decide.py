"""One rule by which every claim is decided: paired differences over seeds, and a margin.

Direction ("a is above b"): holds if the difference has the claimed sign in every one of three or
more seeds and |mean| > 2 standard errors; does not hold if all this is so with the other sign.

Margin ("a reaches b", "a equals b"): holds if the mean difference is below the margin and its 95 %
interval (Student's t) ends below twice the margin; does not hold if the whole interval is above
the margin. A margin is a share of an effect that itself must be established by the first rule:
where there is no effect there is nothing to come near to.

Everything else is undecided. The shares below come from the paper's numbers or from the meaning of
a word; none of them was chosen after a result of ours.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from raycl.reproduction.claims.spread import Spread, difference_text, signed, spread_of
from raycl.reproduction.evidence.paired import Values

HOLDS = "holds"
FAILS = "does not hold here"
UNDECIDED = "undecided"

FEWEST_SEEDS = 3
"""Two seeds have the same sign by chance every second time."""

MOST = 0.5
"""More than half, as the word says."""

NEARLY = 0.20
"""A fifth of the gap may stay. The paper calls replay of 5 % on the weak shift sufficient at 2.37
against a union of 2.35 and no replay at 2.47 (Table 2): 17 % of the gap; the next round number."""

REACHED = 0.05
"""One part in twenty of the gap may stay where the paper's two numbers are equal as printed: its
weak gap of 0.12 is printed to 0.01, so a difference of 0.005, half a unit, is not visible to it."""

LITTLE = 0.10
"""A cost is little where it buys ten times as much. Fixed as an order of magnitude; in the paper
replay of 5 % costs 0.01 for 0.21 less forgetting, 25 % costs 0.05 for 1.23 (Table 2)."""


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, the numbers with their spread, and how they decided it."""

    verdict: str
    numbers: str = "–"
    how: str = ""


NOT_RUN = Verdict(UNDECIDED, "–", "not run")


def is_above(difference: Values, what: str) -> Verdict:
    """Whether `difference` (of `what`) is positive, by the rule of direction."""
    numbers = f"{what}: {difference_text(difference)}"
    spread = _enough(difference, numbers)
    if isinstance(spread, Verdict):
        return spread
    above = sum(value > 0 for value in difference.values())
    below = sum(value < 0 for value in difference.values())
    clear = abs(spread.mean) > 2 * spread.error
    how = f"above 0 in {above} of {spread.seeds} seeds, mean {_errors(spread)}"
    if clear and above == spread.seeds:
        return Verdict(HOLDS, numbers, how)
    return Verdict(FAILS if clear and below == spread.seeds else UNDECIDED, numbers, how)


def _enough(values: Values, numbers: str) -> Spread | Verdict:
    """The spread of the values, or what is said where too few seeds have one."""
    spread = spread_of(values)
    if spread is None:
        return NOT_RUN
    if spread.seeds < FEWEST_SEEDS:
        return Verdict(UNDECIDED, numbers, too_few(spread.seeds))
    return spread


def too_few(seeds: int) -> str:
    """The reason that is given where fewer than three seeds were run."""
    return f"{seeds} seed{'s' if seeds > 1 else ''}; {FEWEST_SEEDS} are needed"


def _errors(spread: Spread) -> str:
    if spread.error == 0:
        return "without spread"
    errors = abs(spread.mean) / spread.error
    told = f"{errors:.1f}" if errors < 100 else "over 100"
    return f"{told} standard errors from 0"


@dataclass(frozen=True)
class Margin:
    """A margin of `share` (0 to 1) times the mean of `effect`, which messages call `name`."""

    share: float
    effect: Values
    name: str


def is_within(difference: Values, margin: Margin, what: str) -> Verdict:
    """Whether `difference` (of `what`) is at most the margin; a negative one always is.

    For a claim that two things are equal, give the absolute difference of each seed.
    """
    shared = {seed: value for seed, value in difference.items() if seed in margin.effect}
    numbers = f"{what}: {difference_text(shared)}"
    spread = _enough(shared, numbers)
    if isinstance(spread, Verdict):
        return spread
    effect = {seed: margin.effect[seed] for seed in shared}
    if is_above(effect, margin.name).verdict != HOLDS:
        how = f"{margin.name}, which it is measured by, is not clear: {difference_text(effect)}"
        return Verdict(UNDECIDED, numbers, how)
    limit = margin.share * statistics.fmean(effect.values())
    low, high = spread.mean - spread.half_interval, spread.mean + spread.half_interval
    how = (
        f"95 % interval {signed(low)} … {signed(high)}, margin {limit:.3f} "
        f"({100 * margin.share:g} % of {margin.name})"
    )
    if spread.mean < limit and high < 2 * limit:
        return Verdict(HOLDS, numbers, how)
    return Verdict(FAILS if low > limit else UNDECIDED, numbers, how)


def both(verdicts: Sequence[Verdict]) -> Verdict:
    """A claim of several parts: it holds if all do, and fails if one does."""
    found = [verdict.verdict for verdict in verdicts]
    whole = FAILS if FAILS in found else UNDECIDED if UNDECIDED in found else HOLDS
    if all(verdict == NOT_RUN for verdict in verdicts):
        return NOT_RUN
    return Verdict(
        whole,
        "; ".join(verdict.numbers for verdict in verdicts),
        "; ".join(verdict.how for verdict in verdicts),
    )
