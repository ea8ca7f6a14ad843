"""Colours of the settings, on the scales of the report: replay green to violet, rates orange."""

from __future__ import annotations

import matplotlib
from matplotlib.colors import to_hex

from raycl.reproduction.evidence.experiment_names import CONSTANT, COSINE, INFINITE
from raycl.results.report.palette import INK, ORANGES

CONSTANT_RATE, WARMED_CONSTANT = "#21918c", "#472d7b"
"""A rate that never rises, and one that rises and stays."""
ARM_COLOURS = {
    COSINE: INK,
    INFINITE[0]: "#d9541e",
    INFINITE[1]: WARMED_CONSTANT,
    CONSTANT: CONSTANT_RATE,
}
ARM_LINES = {COSINE: "-", INFINITE[0]: "-", INFINITE[1]: (0, (4, 3)), CONSTANT: "-"}
"""Plateaus of one height lie on each other: the lower shows through the gaps of the upper."""
BRANCH_DASHES = {INFINITE[0]: (0, (2, 2)), INFINITE[1]: (2, (2, 2)), COSINE: (0, (2, 2))}


def ordered_colours(count: int, rates: bool = False) -> list[str]:
    """One colour for each of `count` settings, from light to dark."""
    scale = ORANGES if rates else matplotlib.colormaps["viridis"]
    places = [number / max(count - 1, 1) for number in range(count)]
    return [to_hex(scale(place if rates else 0.74 - 0.70 * place)) for place in places]
