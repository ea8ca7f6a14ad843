"""What all figures are drawn on: the house style, axes, margins, and their PNG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from raycl.results.report.palette import GRID, INK, PAPER, QUIET

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a label is a $
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "svg.fonttype": "none",  # text stays text: it can be read aloud, copied and searched
    "svg.hashsalt": "raycl",
    "lines.linewidth": 1.9,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True)
class Drawing:
    """One finished figure with the words around it."""

    name: str
    title: str
    caption: str
    figure: Figure


def house_style() -> AbstractContextManager[None]:
    """A context in which matplotlib has our settings. Texts read them when they are created."""
    return matplotlib.rc_context(_SETTINGS)


def new_axes(x_label: str, y_label: str, height: float = 3.7) -> tuple[Figure, Axes]:
    """A figure 5.8 inches wide and `height` high: on a phone its text is hardly shrunk."""
    figure = Figure(figsize=(5.8, height), layout=None)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes


def leave_room(figure: Figure, right: Sequence[str] = ()) -> None:
    """Set the margins of the axes. The right one has room for the longest of these labels."""
    longest = max((len(text) for text in right), default=0)
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.78 / width,
        right=1 - (0.15 + (0.4 + 0.071 * longest if longest else 0)) / width,
        bottom=0.55 / height,
        top=1 - 0.22 / height,
    )


def png(figure: Figure, dots_per_inch: int = 200) -> bytes:
    """The figure as a PNG, of twice the screen's resolution unless another one is given."""
    buffer = io.BytesIO()
    with house_style(), warnings.catch_warnings():
        # A label may be in a script that the PNG's font lacks; the page has the reader's fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="png", dpi=dots_per_inch)
    return buffer.getvalue()
