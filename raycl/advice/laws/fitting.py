"""A law fitted to points: checked on points that it has not seen, and refused where it is poor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raycl.advice.laws.law import Array, Law
from raycl.results.uncertainty.intervals import Interval

MOST_ERROR = 0.01
"""Mean error on held-out points, as a share of the loss, above which a fit is refused."""
_HUBER = 1e-3
"""Residual of log losses beyond which Huber's loss is linear, as in arXiv:2408.11029, §3."""
_MOST_TRIALS = 100
"""Evaluations of one fit."""
_DRAWS = 60
_WORTH_IT = 0.5
"""The share of a constant's error on held-out points that a law must stay below."""


@dataclass(frozen=True)
class Refusal:
    """A law that is not used, and why."""

    reason: str
    """A clause: "3 points, and it needs 7"."""


@dataclass(frozen=True)
class Fit:
    """A law fitted to all points, and its error on points that were held out."""

    law: Law
    fitted: Array
    inputs: Array
    losses: Array
    error: float
    """Mean absolute error on held-out points, as a share of the loss."""
    constant_error: float
    """The same of a constant, which a law must beat."""

    def predict(self, inputs: Array) -> Array:
        """Losses (nats/token) at inputs of the law."""
        return self.law.predict(self.fitted, inputs)

    def draws(self, inputs: Array, count: int = _DRAWS, seed: int = 0) -> Array:
        """Predictions [draws, points] of fits to resampled residuals (Efron 1979, §7).

        Residuals are those of log losses; each prediction has one of them added, as a new
        measurement would.
        """
        generator = np.random.default_rng(seed)
        known = self.predict(self.inputs)
        residuals = np.log(self.losses) - np.log(known)
        spread = math.sqrt(len(residuals) / max(len(residuals) - len(self.fitted), 1))
        residuals = spread * (residuals - residuals.mean())
        found = np.empty((count, len(inputs)))
        for place in range(count):
            noise = generator.choice(residuals, len(known))
            again = _solve(self.law, self.inputs, known * np.exp(noise), [self.fitted])
            new = np.exp(generator.choice(residuals, len(inputs)))
            found[place] = self.law.predict(again, inputs) * new
        return found

    def intervals(self, inputs: Array) -> list[Interval]:
        """Predictions with 95 % intervals, never narrower than the held-out error."""
        means = self.predict(inputs)
        draws = self.draws(inputs)
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        return [
            Interval(
                float(mean),
                min(float(below), float(mean) * (1 - self.error)),
                max(float(above), float(mean) * (1 + self.error)),
                n=len(self.losses),
            )
            for mean, below, above in zip(means, low, high, strict=True)
        ]


def judged(law: Law, inputs: Array, losses: Array, folds: Sequence[Sequence[int]]) -> Fit | Refusal:
    """The law fitted to all points, or why not; each fold's points are held out once.

    It is refused below `law.least_points` points, above `MOST_ERROR` on held-out points, and where
    a constant does about as well there: the last fitted point or the mean, whichever is better.
    """
    if len(losses) < law.least_points:
        return Refusal(f"{len(losses)} points, and it needs {law.least_points}")
    errors, constant = [], []
    for held_out in folds:
        rest = [place for place in range(len(losses)) if place not in set(held_out)]
        fitted = solve(law, inputs[rest], losses[rest])
        true = losses[list(held_out)]
        errors += list(np.abs(law.predict(fitted, inputs[list(held_out)]) / true - 1))
        levels = (losses[rest][-1], losses[rest].mean())
        misses: list[Array] = [np.abs(level / true - 1) for level in levels]
        constant += list(misses[int(np.argmin([miss.mean() for miss in misses]))])
    error, of_constant = float(np.mean(errors)), float(np.mean(constant))
    if not error <= MOST_ERROR:
        return Refusal(
            f"it misses held-out points by {percent_text(error)} on average, and "
            f"{percent_text(MOST_ERROR)} is the most allowed"
        )
    if error >= _WORTH_IT * of_constant:
        return Refusal(
            f"it misses held-out points by {percent_text(error)}, and a constant by "
            f"{percent_text(of_constant)}"
        )
    whole = solve(law, inputs, losses)
    return Fit(law, whole, inputs, losses, error, of_constant)


def solve(law: Law, inputs: Array, losses: Array) -> Array:
    """The best parameters of several starts by Huber's loss of log losses."""
    return _solve(law, inputs, losses, law.starts(inputs, losses))


def _solve(law: Law, inputs: Array, losses: Array, starts: Sequence[Array]) -> Array:
    from scipy.optimize import least_squares

    wanted = np.log(losses)

    def residuals(parameters: Array) -> Array:
        with np.errstate(all="ignore"):
            found = law.predict(parameters, inputs)
            # Losses are positive: a step that leaves them is far off, and the fit turns back.
            logs = np.where(found > 0, np.log(np.maximum(found, 1e-300)), 10.0)
            apart: Array = np.nan_to_num(logs - wanted, nan=10.0, posinf=10.0, neginf=-10.0)
            return apart

    def slopes(parameters: Array) -> Array:
        with np.errstate(all="ignore"):
            found = law.predict(parameters, inputs)
            each = law.slopes(parameters, inputs) / found[:, None]
            sound: Array = np.nan_to_num(
                np.where(found[:, None] > 0, each, 0.0), posinf=0.0, neginf=0.0
            )
            return sound

    def descend(start: Array, loss: str) -> Any:
        return least_squares(
            residuals,
            start,
            jac=slopes,
            loss=loss,
            f_scale=_HUBER,
            x_scale="jac",
            max_nfev=_MOST_TRIALS,
        )

    # Squares lead from far away to the right valley; Huber's loss then ignores what lies apart.
    found = [descend(start, "linear") for start in starts]
    best = descend(min(found, key=lambda one: float(one.cost)).x, "huber")
    solved: Array = np.asarray(best.x, dtype=np.float64)
    return solved


def last_fifth(points: int) -> list[list[int]]:
    """One fold: the last 20 % of a curve, at least two points."""
    count = max(2, round(points / 5))
    return [list(range(points - count, points))]


def each_inner(points: int) -> list[list[int]]:
    """A fold for each point that has neighbours on both sides."""
    return [[place] for place in range(1, points - 1)]


def percent_text(share: float) -> str:
    """A share as percent, to two digits: 0.34 %."""
    if share < 1e-4:
        return "less than 0.01 %"
    return f"{100 * share:.2g} %" if share < 1 else "more than 100 %"
