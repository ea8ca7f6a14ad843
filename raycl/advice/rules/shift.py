"""Whether the new text is a weak or a strong shift, by the losses before any of it was learned."""

from __future__ import annotations

import math

from raycl.advice.advice import Point
from raycl.advice.choice import Choice
from raycl.advice.words import listed, number_text
from raycl.results.metrics import own_sides
from raycl.results.metrics.sides import Weights
from raycl.results.outcome import RecipeOutcome, loss_after
from raycl.results.report.number_text import share_text

WEAK, STRONG = 0.3, 0.5
"""Bits/byte by which new text is harder than old: at most for a weak shift, at least for a strong.

SmolLM2-135M, four documents each: English of other kinds −0.2 to +0.1 beside English prose, German
+0.5 to +1.1 (measured for raycl; docs/advice.md). Between them it is neither clearly."""
_WANTED = {"weak": 0.05, "strong": 0.25}
"""The paper's shares of replay (arXiv:2403.08763, Table 2 and §7)."""


def zero_shot_gap(outcome: RecipeOutcome) -> float:
    """Loss on new text minus loss on old text before the last stage, in bits/byte.

    NaN where one was not measured there, or the bytes of a corpus' tokens are not known.
    """
    if not outcome.stages or (not outcome.stages[-1].first_step and not outcome.starts_trained):
        return math.nan
    sides, step = own_sides(outcome), outcome.stages[-1].first_step
    return _mean(outcome, sides.new, step) - _mean(outcome, sides.old, step)


def _mean(outcome: RecipeOutcome, weights: Weights, step: int) -> float:
    if not weights:
        return math.nan
    total = 0.0
    for corpus, weight in weights.items():
        per_token = outcome.bytes_per_token.get(corpus, math.nan)
        total += weight * loss_after(outcome, corpus, step) / math.log(2) / per_token
    return total / math.fsum(weights.values())


def shift_points(choice: Choice) -> list[Point]:
    """The kind of the shift, and the replay that the paper uses for it."""
    gap = zero_shot_gap(choice.chosen.example)
    if math.isnan(gap):
        return []
    sides = own_sides(choice.chosen.example)
    text = (
        f"Before any of it was learned, {listed(list(sides.new))} was "
        f"{number_text(abs(gap))} bits/byte {'harder' if gap > 0 else 'easier'} than "
        f"{listed(list(sides.old))}. "
    )
    limits = (
        f"Up to {WEAK:g} is called weak here and {STRONG:g} or more strong: English of another "
        "kind differs from English by about 0.1, German from English by 0.5 to 1.1 (SmolLM2-135M)."
    )
    if WEAK < gap < STRONG:
        return [Point("shift", "Neither a weak nor a strong shift", text + limits)]
    kind = "weak" if gap <= WEAK else "strong"
    paper = f" The paper replays {share_text(_WANTED[kind])} for such a shift."
    return [Point("shift", f"A {kind} shift", text + limits + paper)]
