"""Numbers and lists in the sentences of advice."""

from __future__ import annotations

from collections.abc import Sequence

from raycl.advice.noise import half_width
from raycl.results.report.number_text import loss_text, rate_text, share_text
from raycl.results.uncertainty.intervals import Interval


def number_text(value: float, signed: bool = False) -> str:
    """A number with two decimals, four digits where it is large; – where it is missing."""
    large = abs(value) >= 1000
    text = format(value, "+.4g" if signed else ".4g") if large else loss_text(value, signed)
    return text.replace("-", "−")


def half_text(half: float) -> str:
    """Half of an interval's width: two decimals, one digit where that would be none."""
    return f"{half:.2f}" if half >= 0.005 else f"{half:.1g}"


def interval_text(interval: Interval, signed: bool = False) -> str:
    """4.91 ± 0.02, or the number alone where nothing is known of its uncertainty."""
    text = number_text(interval.mean, signed)
    return f"{text} ± {half_text(half_width(interval))}" if interval.is_known else text


def range_text(interval: Interval) -> str:
    """4.91 (4.88 to 4.95)."""
    bounds = f"{number_text(interval.low)} to {number_text(interval.high)}"
    return f"{number_text(interval.mean)} ({bounds})"


def feature_text(feature: str, value: float) -> str:
    """A value of a swept field as people write it: 5 %, 3e-3."""
    if feature.endswith("replay"):
        return share_text(value)
    if feature.endswith(("lr", "epsilon", "weight_decay")):
        return rate_text(value) if value else "0"
    return f"{value:.4g}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """a, b and c; of many the first ones and how many more there are.

    Between names that have commas themselves there are semicolons.
    """
    between = "; " if any("," in name for name in names) else ", "
    if len(names) > most:
        return f"{between.join(names[:most])} and {len(names) - most} more"
    return " and ".join([between.join(names[:-1]), names[-1]] if len(names) > 1 else names)
