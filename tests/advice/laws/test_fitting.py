"""Laws recover the parameters that made a curve, and are refused on what follows no law."""

from __future__ import annotations

import numpy as np
import pytest

from raycl.advice.laws.annealing import AnnealingLaw, rate_sums, stretched
from raycl.advice.laws.fitting import Fit, Refusal, each_inner, judged, last_fifth
from raycl.advice.laws.law import Array, Law
from raycl.advice.laws.replay_share import NewDataLaw, ReplayedLaw

PUBLISHED = {"L0": 2.628, "A": 0.429, "alpha": 0.550, "C": 0.411}
"""arXiv:2408.11029: a fit over constant and cosine schedules of 20,000 steps."""
SHARES = np.array([[0.0], [0.01], [0.05], [0.1], [0.25], [0.5]])


def cosine(steps: int) -> Array:
    rates: Array = 1e-3 * (0.55 + 0.45 * np.cos(np.pi * np.arange(steps) / steps))
    return rates


def noisy(losses: Array, size: float = 5e-4) -> Array:
    return losses * np.exp(size * np.random.default_rng(1).standard_normal(len(losses)))


def annealed_points(steps: int = 4000) -> tuple[Array, Array]:
    inputs = rate_sums(cosine(steps))[99::100]
    parameters = np.log(list(PUBLISHED.values()))
    return inputs, noisy(AnnealingLaw(True).predict(parameters, inputs))


def test_the_published_parameters_come_back_from_a_noisy_curve() -> None:
    inputs, losses = annealed_points()
    fit = judged(AnnealingLaw(True), inputs, losses, last_fifth(len(losses)))
    assert isinstance(fit, Fit)
    assert fit.error < 0.002
    found = fit.law.values(fit.fitted)
    assert found["L0"] == pytest.approx(2.628, rel=0.03)
    assert found["alpha"] == pytest.approx(0.55, rel=0.2)


def test_a_longer_run_lies_in_the_interval() -> None:
    inputs, losses = annealed_points()
    fit = judged(AnnealingLaw(True), inputs, losses, last_fifth(len(losses)))
    assert isinstance(fit, Fit)
    longer = rate_sums(stretched(cosine(4000), 2))[-1:]
    true = float(AnnealingLaw(True).predict(np.log(list(PUBLISHED.values())), longer)[0])
    (interval,) = fit.intervals(longer)
    assert interval.low <= true <= interval.high
    assert interval.high - interval.low < 0.1


def test_what_was_trained_before_is_fitted_too() -> None:
    law = AnnealingLaw(False)
    inputs = rate_sums(cosine(1000))[24::25] / cosine(1000).sum()
    losses = noisy(law.predict(np.log([3.0, 0.5, 0.5, 0.002, 0.1]), inputs))
    fit = judged(law, inputs, losses, last_fifth(len(losses)))
    assert isinstance(fit, Fit)
    assert fit.law.values(fit.fitted)["S"] == pytest.approx(0.1, rel=0.6)


@pytest.mark.parametrize(
    ("law", "made"),
    [
        (ReplayedLaw(), ReplayedLaw().predict(np.log([4.0, 0.4, 0.03]), SHARES)),
        (NewDataLaw(), NewDataLaw().predict(np.log([4.7, 0.9, 1.4]), SHARES)),
    ],
)
def test_the_share_laws_predict_shares_between(law: Law, made: Array) -> None:
    fit = judged(law, SHARES, noisy(made), each_inner(len(SHARES)))
    assert isinstance(fit, Fit)
    between = np.array([[0.03], [0.35]])
    true = law.predict(fit.fitted, between)
    for interval, value in zip(fit.intervals(between), true, strict=True):
        assert interval.low < value < interval.high


def test_a_law_is_refused_with_the_number() -> None:
    losses = np.array([5.0, 3.0, 5.2, 2.9, 5.1, 3.1])
    refused = judged(ReplayedLaw(), SHARES, losses, each_inner(6))
    assert isinstance(refused, Refusal)
    assert "misses held-out points by" in refused.reason
    few = judged(ReplayedLaw(), SHARES[:4], losses[:4], each_inner(4))
    assert few == Refusal("4 points, and it needs 5")
    flat = judged(
        AnnealingLaw(True), rate_sums(cosine(40)), noisy(np.full(40, 3.0)), last_fifth(40)
    )
    assert isinstance(flat, Refusal)
    assert "a constant by" in flat.reason


@pytest.mark.parametrize(
    "law", [AnnealingLaw(True), AnnealingLaw(False), ReplayedLaw(), NewDataLaw()]
)
def test_the_slopes_are_those_of_the_formula(law: Law) -> None:
    inputs = np.array([[0.2, 0.1], [0.7, 0.3]])
    fitted = np.log(np.array([3.0, 0.5, 0.6, 0.2, 0.1])[: len(law.parameters)])
    for place in range(len(fitted)):
        step = np.zeros(len(fitted))
        step[place] = 1e-6
        change = law.predict(fitted + step, inputs) - law.predict(fitted - step, inputs)
        np.testing.assert_allclose(law.slopes(fitted, inputs)[:, place], change / 2e-6, rtol=1e-5)


def test_the_sums_of_rates_by_hand() -> None:
    sums = rate_sums(np.array([1.0, 2.0, 1.0, 0.5]), decay=0.5)
    np.testing.assert_allclose(sums[:, 0], [1, 3, 4, 4.5])
    np.testing.assert_allclose(sums[:, 1], [0, 0, 1, 2])  # m = 0, 0, 1, 0.5 + 0.5
