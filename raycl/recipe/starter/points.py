"""What a first sweep varies, and how much training that is."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from raycl.recipe.starter.answers import Answers, Shift
from raycl.recipe.starter.rates import usual_rate

REPLAY: Mapping[Shift, str] = {"weak": "5%", "strong": "25%"}
"""The paper's choices (its Table 2)."""
REPLAYS: Mapping[Shift, tuple[str, ...]] = {
    "weak": ("0%", "1%", "5%", "25%"),
    "strong": ("0%", "5%", "25%", "50%"),
}
ANNEAL = Fraction(14, 100)
"""The anneal's share of a stage in the paper's infinite schedules."""
LARGE = 1_000_000_000
"""Parameters from which on a baseline from random weights is left out: it is the whole cost again.
"""


def peak_rate(answers: Answers) -> float:
    """η_max of the stages."""
    return answers.max_lr or usual_rate(answers.model.parameters)


def other_rates(answers: Answers) -> tuple[float, ...]:
    """Rates beside the first that are tried: a given model's own is the best guess, if known."""
    if answers.max_lr is not None or not answers.model.given:
        return ()
    rate = peak_rate(answers)
    return rate / 3, rate * 3


def replays(answers: Answers) -> tuple[str, ...]:
    """Shares of replay that are tried; none where there is no old text."""
    if answers.shift is None:
        return ()
    shares = REPLAYS[answers.shift]
    # Of a given model, the baseline `union` is half old text: the same training as 50 %.
    union = answers.model.given and "union" in baselines(answers)
    return tuple(share for share in shares if not union or share != "50%")


def ends(answers: Answers) -> int:
    """The number of recipes that are no baselines."""
    return max(1, len(replays(answers))) + len(other_rates(answers))


def baselines(answers: Answers) -> tuple[str, ...]:
    """The baselines that are worth their cost."""
    if answers.old is None or not answers.baselines:
        return ()
    if answers.model.given:
        return ("union", "previous")
    return ("union", "scratch") if answers.model.parameters < LARGE else ()


def stage_lengths(answers: Answers) -> Fraction:
    """All training of the sweep, in lengths of a stage: what recipes share counts once."""
    anneal = ANNEAL if answers.more else Fraction(0)
    before = 0 if answers.model.given or answers.old is None else 1
    total = before + ends(answers) * (1 + anneal)
    costs = {"union": 1 + before, "scratch": 1, "previous": 0}
    for name in baselines(answers):
        total += costs[name] + (anneal if costs[name] else 0)
    return total
