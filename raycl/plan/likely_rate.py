"""What a learning rate was probably meant to be that is too high for AdamW."""

from __future__ import annotations

import math

LARGE = 0.1
"""Rates above it are asked about: AdamW moves each weight by about the rate in every step, and the
weights of a language model are of the order of 0.02."""
TOO_LARGE = 1.0
"""Rates above it are refused in recipes that somebody writes now."""
_USUAL = 3
"""Negative exponent of the rates that people give most often."""


def likely_rate(rate: float) -> str:
    """A rate whose exponent, or the sign of whose exponent, was forgotten: 3 and 3000 are 3e-3."""
    exponent = math.floor(math.log10(rate))
    mantissa = rate / 10.0**exponent
    return f"{mantissa:.3g}e-{max(_USUAL, exponent)}"
