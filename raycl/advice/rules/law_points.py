"""What published laws, fitted to the sweep's own losses, say of other budgets and shares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from raycl.advice.advice import Point
from raycl.advice.choice import Choice
from raycl.advice.laws.annealing import AnnealingLaw, rate_sums, stretched
from raycl.advice.laws.fitting import Fit, Refusal, each_inner, judged, last_fifth, percent_text
from raycl.advice.laws.law import Array, Law
from raycl.advice.laws.replay_share import NewDataLaw, ReplayedLaw, ShareLaw
from raycl.advice.setting import REPLAY, Setting, line_through
from raycl.advice.words import listed, number_text, range_text
from raycl.results.metrics import final_loss, own_sides
from raycl.results.outcome import RecipeOutcome, validation_curve
from raycl.results.report.number_text import share_text

_TIMES = (2.0, 4.0)
_MOST_POINTS = 60
_GRID_STEP = 0.01


def law_points(choice: Choice) -> list[Point]:
    """The learning rate annealing law of the last stage, and the law of the replay share."""
    return [*annealing_points(choice.chosen), *share_points(choice)]


def annealing_points(setting: Setting) -> list[Point]:
    """The loss on what is new at other lengths of the last stage, where the law fits its curve."""
    outcome, found = setting.example, []
    for corpus in own_sides(outcome).new:
        rates, steps, losses = stage_curve(outcome, corpus)
        if len(steps) < 3:
            continue
        law = AnnealingLaw(outcome.stages[-1].first_step == 0 and not outcome.starts_trained)
        scale = float(rates.sum()) or 1.0  # sums of rates in units of the stage's own
        inputs = rate_sums(rates)[steps - 1] / scale
        fit = judged(law, inputs, losses, last_fifth(len(losses)))
        title = f"{corpus} with more tokens"
        if isinstance(fit, Refusal):
            text = _refused(law, corpus, fit)
        else:
            text = _longer(fit, rates, scale, losses)
        found.append(Point("law", title, text))
    return found


def _cited(law: Law) -> str:
    """The law and its source as a sentence begins with them."""
    return f"{law.name[0].upper()}{law.name[1:]} ({law.source})"


def _refused(law: Law, corpus: str, refusal: Refusal) -> str:
    return f"{_cited(law)} is not used for {corpus}: {refusal.reason}."


def stage_curve(outcome: RecipeOutcome, corpus: str) -> tuple[Array, NDArray[np.int64], Array]:
    """Rates [steps] of the last stage; steps since its start and losses of its measurements.

    Measurements before the rate is at its highest are left out: the law says nothing of a warm-up.
    """
    nothing = np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0)
    last, history = outcome.stages[-1], outcome.history
    if "learning_rate" not in history:
        return nothing
    within = history[(history["step"] >= last.first_step) & (history["step"] < last.last_step)]
    rates: Array = within["learning_rate"].to_numpy(float)
    if len(rates) != last.last_step - last.first_step or not np.isfinite(rates).all():
        return nothing
    curve = validation_curve(outcome, corpus)
    warm = last.first_step + int(np.argmax(rates >= rates.max())) + 1
    curve = curve[(curve.index >= warm) & (curve.index <= last.last_step)]
    every = max(1, -(-len(curve) // _MOST_POINTS))
    curve = curve.iloc[::-1].iloc[::every].iloc[::-1]  # the last point is always there
    steps = [int(step) - last.first_step for step in curve.index.tolist()]
    done: NDArray[np.int64] = np.asarray(steps, dtype=np.int64)
    losses: Array = np.asarray(curve.to_numpy(float), dtype=np.float64)
    return rates, done, losses


def _longer(fit: Fit, rates: Array, scale: float, losses: Array) -> str:
    inputs = np.stack([rate_sums(stretched(rates, times))[-1] / scale for times in _TIMES])
    said = [
        f"{range_text(interval)} with {times:g} times the tokens"
        for times, interval in zip(_TIMES, fit.intervals(inputs), strict=True)
    ]
    return (
        f"{_cited(fit.law)}, fitted to {len(fit.losses)} points of this stage, predicts "
        f"{' and '.join(said)} of the same schedule, instead of "
        f"{number_text(float(losses[-1]))} nats/token. {_checked(fit)} "
        "Intervals are of 95 %, by resampled residuals; a longer run reaches beyond what was seen."
    )


def _checked(fit: Fit) -> str:
    return (
        f"On points that it had not seen it was off by {percent_text(fit.error)} of the loss "
        f"(a constant: {percent_text(fit.constant_error)})."
    )


def share_points(choice: Choice) -> list[Point]:
    """The average loss at replay shares between those that were tried."""
    line = line_through(choice.ranked, REPLAY, choice.chosen)
    shares = np.array([setting.replay for setting in line])
    sides = own_sides(choice.chosen.example)
    if len(set(shares)) != len(shares) or not sides.old or len(shares) < 3:
        return []
    title = "Shares between those that were tried"
    least = ReplayedLaw().least_points
    if len(shares) < least:
        text = f"A law of the replay share needs {least} shares, and there are {len(line)}."
        return [Point("law", title, text)]
    fits: dict[str, Fit] = {}
    for corpus in sides.weights:
        losses = np.array([setting.mean_of(final_loss, corpus) for setting in line])
        if not np.isfinite(losses).all():
            return []
        law = ReplayedLaw() if corpus in sides.old else NewDataLaw()
        fit = judged(law, shares[:, None], losses, each_inner(len(shares)))
        if isinstance(fit, Refusal):
            return [Point("law", title, _refused(law, corpus, fit))]
        fits[corpus] = fit
    return [Point("law", title, _between(fits, sides.weights, shares))]


def _between(fits: Mapping[str, Fit], weights: Mapping[str, float], shares: Array) -> str:
    """The average at a grid of shares within those that were tried, and where it is lowest."""
    grid = np.arange(shares.min(), shares.max() + _GRID_STEP / 2, _GRID_STEP)
    average = sum((weights[c] * fit.predict(grid[:, None]) for c, fit in fits.items()), 0 * grid)
    draws = sum(
        (
            weights[c] * fit.draws(grid[:, None], seed=place)
            for place, (c, fit) in enumerate(fits.items())
        ),
        np.zeros((1, len(grid))),
    )
    error = sum(weights[c] * fit.error for c, fit in fits.items())
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    low, high = np.minimum(low, average * (1 - error)), np.maximum(high, average * (1 + error))
    best = int(np.argmin(average))
    level = np.flatnonzero(average <= average[best] + 0.02)
    errors = listed([f"{percent_text(fit.error)} on {c}" for c, fit in fits.items()])
    return (
        f"{ShareLaw.name} (arXiv:2406.01375), fitted to {len(shares)} shares, has the lowest "
        f"average at {share_text(float(grid[best]))}: {number_text(float(average[best]))} "
        f"({number_text(float(low[best]))} to {number_text(float(high[best]))}) nats/token; from "
        f"{share_text(float(grid[level[0]]))} to {share_text(float(grid[level[-1]]))} it is within "
        f"0.02 of that. Each inner share held out, it was off by {errors}."
    )
