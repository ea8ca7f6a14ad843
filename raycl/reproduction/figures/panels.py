"""Figures of one or two panels, one above the other, over the same axis of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from raycl.reproduction.figures.bands import Stroke, draw_strokes, label_strokes, mark_hand_offs
from raycl.results.report.canvas import leave_room, new_axes
from raycl.results.report.labels import shorten
from raycl.results.report.number_text import rate_text, tokens_text
from raycl.results.report.palette import QUIET

PANEL = 2.55
"""Height of one panel of a stack in inches: seven labels fit beside it."""


@dataclass(frozen=True)
class Panel:
    """The content of one panel."""

    label: str
    """Title of the vertical axis."""
    strokes: Sequence[Stroke]
    title: str = ""
    """Written small above the panel."""
    settled: float = 0.0
    """The vertical limits hold what lies after this share (0 to 1) of the tokens."""
    hand_offs: Sequence[float] = ()
    """Tokens at which a stage begins."""
    dots: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """Colour -> points."""
    rates: bool = False
    """Whether the vertical axis shows learning rates, which begin at 0."""


def draw_panels(panels: Sequence[Panel], x_label: str, shared: bool = True) -> Figure:
    """Draw the panels one above the other; `x_label` names the axis of tokens below the last one.

    `shared` says that all panels have the same axis of tokens, so that it is numbered once.
    """
    figure, stack = _stack([panel.label for panel in panels], x_label, shared)
    names = [shorten(stroke.name) for panel in panels for stroke in panel.strokes]
    leave_room(figure, names)
    for axes, panel in zip(stack, panels, strict=True):
        draw_strokes(axes, panel.strokes)
        for colour, places in panel.dots.items():
            axes.plot(
                *zip(*places, strict=True), "o", color=colour, markersize=5, clip_on=False, zorder=3
            )
        mark_hand_offs(axes, panel.hand_offs)
        axes.annotate(
            panel.title,
            (0, 1),
            (0, 4),
            xycoords="axes fraction",
            fontsize=9.5,
            textcoords="offset points",
            va="bottom",
            color=QUIET,
        )
        _set_limits(axes, panel)
    for axes, panel in zip(stack, panels, strict=True):
        label_strokes(axes, panel.strokes)
    return figure


def _stack(labels: Sequence[str], x_label: str, shared: bool) -> tuple[Figure, list[Axes]]:
    if len(labels) == 1:
        figure, axes = new_axes(x_label, labels[0], 4.4)
        return figure, [axes]
    figure = Figure(figsize=(5.8, 0.75 + PANEL * len(labels)), layout=None)
    FigureCanvasAgg(figure)
    stack = list(figure.subplots(len(labels), 1, gridspec_kw={"hspace": 0.17 if shared else 0.3}))
    for axes, label in zip(stack, labels, strict=True):
        axes.set_ylabel(label)
        axes.tick_params(labelbottom=not shared or axes is stack[-1])
    stack[-1].set_xlabel(x_label)
    return figure, stack


def _set_limits(axes: Axes, panel: Panel) -> None:
    right = max(float(stroke.band.tokens[-1]) for stroke in panel.strokes)
    settled = [stroke.band.after(panel.settled * right) for stroke in panel.strokes]
    low = min(float(band.low.min()) for band in settled if len(band.low))
    high = max(float(band.high.max()) for band in settled if len(band.high))
    pad = 0.06 * (high - low) or 0.05
    axes.set_xlim(0, right)
    axes.set_ylim(0 if panel.rates else low - pad, high + pad)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tokens, _: tokens_text(max(tokens, 0))))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    if panel.rates:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda r, _: rate_text(r) if r else "0"))
