"""The scaling law with learning rate annealing (Tissue, Wang & Wang, arXiv:2408.11029)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from raycl.advice.laws.law import Array, Law

DECAY = 0.999
"""λ, the share of an annealing's momentum that is left a step later: the paper's §3."""


class AnnealingLaw(Law):
    """L = L0 + A · (S1 + S)^−α − C · S2, where S1 sums the rates and S2 what annealing has done.

    S is 0 for a model that begins at random, as in the paper. For one that was trained before, S
    is fitted: what the earlier training is worth on this corpus, in sums of rates.
    """

    source = "arXiv:2408.11029"
    name = "the learning rate annealing law"

    def __init__(self, begins_at_random: bool) -> None:
        self.begins_at_random = begins_at_random
        base = ("L0", "A", "alpha", "C")
        self.parameters = base if begins_at_random else (*base, "S")

    def predict(self, fitted: Array, inputs: Array) -> Array:
        """Losses at inputs [points, (S1, S2)]."""
        with np.errstate(all="ignore"):
            limit, amount, power, annealed = np.exp(fitted[:4])
            before = 0.0 if self.begins_at_random else np.exp(fitted[4])
            found: Array = (
                limit + amount * (inputs[:, 0] + before) ** -power - annealed * inputs[:, 1]
            )
        return found

    def slopes(self, fitted: Array, inputs: Array) -> Array:
        """By the logarithms of L0, A, α, C and S [points, 4 or 5]."""
        limit, amount, power, annealed = np.exp(fitted[:4])
        before = 0.0 if self.begins_at_random else np.exp(fitted[4])
        total = inputs[:, 0] + before
        falling = amount * total**-power
        columns = [
            np.full(len(total), limit),
            falling,
            -power * falling * np.log(total),
            -annealed * inputs[:, 1],
        ]
        if not self.begins_at_random:
            columns.append(-power * falling * before / total)
        return np.stack(columns, axis=1)

    def starts(self, inputs: Array, losses: Array) -> Sequence[Array]:
        """A grid over α and S; of each L0, A and C by linear least squares."""
        total = float(inputs[-1, 0])
        before = [0.0] if self.begins_at_random else [0.03 * total, 0.3 * total]
        return [self._start(inputs, losses, p, b) for p in (0.2, 0.5, 1.0) for b in before]

    def _start(self, inputs: Array, losses: Array, power: float, before: float) -> Array:
        falling = (inputs[:, 0] + before) ** -power
        terms = np.stack([np.ones_like(losses), falling, -inputs[:, 1]], axis=1)
        solved = np.linalg.lstsq(terms, losses, rcond=None)[0]
        least = [0.1 * float(losses[-1]), 1e-3, 1e-3]
        limit, amount, annealed = (max(float(s), low) for s, low in zip(solved, least, strict=True))
        found = [math.log(value) for value in (limit, amount, power, annealed)]
        return np.array(found if self.begins_at_random else [*found, math.log(before)])


def rate_sums(rates: Array, decay: float = DECAY) -> Array:
    """S1 and S2 after each step [steps, 2] of a training with these rates [steps].

    S1 = Σ η_i and S2 = Σ m_i with m_i = λ m_{i−1} + (η_{i−1} − η_i). A rising rate, as in a
    warm-up, is no annealing and counts as none.
    """
    falls = np.maximum(-np.diff(rates, prepend=rates[:1]), 0.0)
    momentum, total = 0.0, 0.0
    second = np.empty_like(rates)
    for place, fall in enumerate(falls):
        momentum = decay * momentum + float(fall)
        total += momentum
        second[place] = total
    return np.stack([np.cumsum(rates), second], axis=1)


def stretched(rates: Array, times: float) -> Array:
    """The same schedule over `times` as many steps."""
    steps = len(rates)
    places = np.linspace(0, steps - 1, max(2, round(times * steps)))
    found: Array = np.interp(places, np.arange(steps), rates)
    return found
