"""Colours of the page's own scales: replay from green to violet, rates in oranges."""

from __future__ import annotations

import matplotlib
from matplotlib.colors import LinearSegmentedColormap, to_hex

_ORANGES = LinearSegmentedColormap.from_list("oranges", ["#f2a33c", "#d9541e", "#7f2704"])


def ordered_colours(count: int, rates: bool = False) -> list[str]:
    """One colour for each of `count` settings, from light to dark."""
    scale = _ORANGES if rates else matplotlib.colormaps["viridis"]
    places = [number / max(count - 1, 1) for number in range(count)]
    return [to_hex(scale(place if rates else 0.74 - 0.70 * place)) for place in places]
