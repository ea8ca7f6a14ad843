"""Learning rates for a first recipe: by the model's size, where nobody knows its own."""

from __future__ import annotations

from bisect import bisect_left

from raycl.units import format_count

_BY_PARAMETERS: tuple[tuple[float, float], ...] = (
    (20e6, 3e-3),
    (60e6, 1e-3),
    (200e6, 6e-4),
    (500e6, 3e-4),
    (1e9, 2.5e-4),
    (2e9, 2e-4),
    (4e9, 1.6e-4),
    (11e9, 1.2e-4),
    (40e9, 1e-4),
)
"""Up to so many parameters, so high a rate. From 125M on: GPT-3 (arXiv 2005.14165, Table 2.1),
which the paper's 3e-4 for 405M and 1.2e-4 for 9.6B agree with. Below: configs/quickstart.yaml."""
_LARGEST = 6e-5
_GPT_3_FROM = 100_000_000
PLATEAU = 0.55
"""η_const / η_max of the paper's infinite schedules: 1.65e-4 / 3e-4 (its Table 14)."""


def usual_rate(parameters: int) -> float:
    """The highest learning rate that models of so many parameters are usually trained with."""
    index = bisect_left([size for size, _ in _BY_PARAMETERS], parameters)
    return _BY_PARAMETERS[index][1] if index < len(_BY_PARAMETERS) else _LARGEST


def usual_rate_text(parameters: int) -> str:
    """The sentence that says where the rate is from."""
    source = " (GPT-3, Table 2.1)" if parameters >= _GPT_3_FROM else ""
    return (
        f"{rate_text(usual_rate(parameters))} is usual at {format_count(parameters)} parameters"
        f"{source}."
    )


def rate_text(rate: float) -> str:
    """A rate with three digits, as people write it: 3e-4, 1.65e-4."""
    digits, _, exponent = f"{rate:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
