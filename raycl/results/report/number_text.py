"""Losses, shares, tokens and learning rates as people write them."""

from __future__ import annotations

import math


def loss_text(value: float, signed: bool = False) -> str:
    """A loss as the paper prints it: 2.17, or +1.39 for a difference; – where it is missing."""
    if math.isnan(value):
        return "–"
    if round(value, 2) == 0:  # neither +0.00 nor -0.00
        return "0.00"
    return f"{value:+.2f}".replace("-", "−") if signed else f"{value:.2f}"


def share_text(share: float) -> str:
    """0.05 as 5 %; – where it is missing."""
    if math.isnan(share):
        return "–"
    return f"{100 * share:.2g} %" if share < 0.01 else f"{100 * share:.3g} %"


def tokens_text(tokens: float) -> str:
    """1 500 000 000 as 1.5B."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if tokens >= size:
            return f"{tokens / size:.3g}{letter}"
    return f"{tokens:.0f}"


def rate_text(rate: float | None) -> str:
    """A learning rate as people write it: 3e-4, 1.5e-3."""
    if not rate:
        return "–"
    mantissa, exponent = f"{rate:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
