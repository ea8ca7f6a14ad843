"""How losses depend on the replay share: two terms of D-CPT's law (arXiv:2406.01375).

D-CPT is L(N, D, r) = E + A/N^α + B · r^η/D^β + C/(r + ε)^γ, where r is the share of the corpus
whose loss it is. In one sweep the model's size N and the tokens D are the same, so that what they
give is a part of E and B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from raycl.advice.laws.law import Array, Law

_POWER = 0.5
"""γ. Five shares cannot carry it beside E, C and ε. It came nearer to held-out shares of the sweeps
in docs/reproduction.md than ¼ and than a γ that is fitted (docs/advice.md has the numbers)."""


class ShareLaw(Law):
    """A law whose one input is the replay share: [points, 1]."""

    name = "D-CPT's law of the share"


class ReplayedLaw(ShareLaw):
    """The loss on what is replayed: E + C/(r + ε)^½, where r is the replay share."""

    source = "arXiv:2406.01375, its term C/(r + ε)^γ with γ = ½"
    parameters = ("E", "C", "epsilon")

    def predict(self, fitted: Array, inputs: Array) -> Array:
        """Losses at replay shares [points, 1]."""
        with np.errstate(all="ignore"):
            limit, amount, offset = np.exp(fitted)
            found: Array = limit + amount * (inputs[:, 0] + offset) ** -_POWER
        return found

    def slopes(self, fitted: Array, inputs: Array) -> Array:
        """By the logarithms of E, C and ε [points, 3]."""
        limit, amount, offset = np.exp(fitted)
        shares = inputs[:, 0] + offset
        falling = amount * shares**-_POWER
        columns = [np.full(len(shares), limit), falling, -_POWER * falling * offset / shares]
        return np.stack(columns, axis=1)

    def starts(self, inputs: Array, losses: Array) -> Sequence[Array]:
        """A grid over ε; of each E and C by linear least squares."""
        found = []
        for offset in (1e-3, 1e-2, 5e-2, 2e-1):
            falling = (inputs[:, 0] + offset) ** -_POWER
            terms = np.stack([np.ones_like(losses), falling], axis=1)
            limit, amount = np.linalg.lstsq(terms, losses, rcond=None)[0]
            least = 0.1 * float(losses.min())
            values = (max(float(limit), least), max(float(amount), 1e-4), offset)
            found.append(np.array([math.log(value) for value in values]))
        return found


class NewDataLaw(ShareLaw):
    """The loss on what is new: E + B · r^η, where r is the replay share that it makes room for."""

    source = "arXiv:2406.01375, its term B · r^η, of the replay share"
    parameters = ("E", "B", "eta")

    def predict(self, fitted: Array, inputs: Array) -> Array:
        """Losses at replay shares [points, 1]."""
        with np.errstate(all="ignore"):
            limit, amount, power = np.exp(fitted)
            found: Array = limit + amount * inputs[:, 0] ** power
        return found

    def slopes(self, fitted: Array, inputs: Array) -> Array:
        """By the logarithms of E, B and η [points, 3]."""
        limit, amount, power = np.exp(fitted)
        shares = inputs[:, 0]
        risen = amount * shares**power
        logs = np.log(np.where(shares > 0, shares, 1.0))  # where the share is 0, so is `risen`
        return np.stack([np.full(len(shares), limit), risen, power * risen * logs], axis=1)

    def starts(self, inputs: Array, losses: Array) -> Sequence[Array]:
        """Several powers, and the rise to the last share."""
        most = max(float(inputs[-1, 0]), 1e-9)
        rise = max(float(losses[-1] - losses[0]), 1e-4)
        least = math.log(float(losses.min()))
        return [np.array([least, math.log(rise / most**p), math.log(p)]) for p in (0.7, 1.5, 3.0)]
