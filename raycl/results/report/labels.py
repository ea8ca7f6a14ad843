"""Labels of lines and points that keep clear of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from raycl.results.report.palette import INK, QUIET


def shorten(label: str, length: int = 26) -> str:
    """The label with its middle left out where it is long: its end may tell recipes apart."""
    if len(label) <= length:
        return label
    kept = (length - 1) // 2
    return f"{label[: length - 1 - kept].rstrip()}…{label[-kept:].lstrip()}"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places in [low, high], at least `gap` apart and as near to the wanted ones as can be."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    gap = min(gap, (high - low) / max(len(order) - 1, 1))
    blocks: list[list[float]] = []  # [sum of wished-for first places, how many]
    for index in order:
        blocks.append([wanted[index], 1])
        # Pool neighbours that would overlap, and set them about their common mean.
        while len(blocks) > 1 and _end(blocks[-2], gap) > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total - count * blocks[-1][1] * gap
            blocks[-1][1] += count
    placed = [0.0] * len(wanted)
    position = 0
    flat = [total / count + offset * gap for total, count in blocks for offset in range(int(count))]
    for position, index in enumerate(order):
        ceiling = high - gap * (len(order) - 1 - position)
        placed[index] = min(max(flat[position], low + gap * position), ceiling)
    return placed


def _end(block: Sequence[float], gap: float) -> float:
    """Where the next block may begin."""
    return block[0] / block[1] + block[1] * gap


def label_ends(
    axes: Axes, ends: Mapping[str, tuple[float, float]], colours: Mapping[str, str]
) -> None:
    """Write each label to the right of the axes, beside the end (x, y) of its line."""
    if not ends:
        return
    axes.get_xlim(), axes.get_ylim()  # autoscaling is lazy: have it done before measuring
    size = axes.get_window_extent().size
    to_axes = axes.transData + axes.transAxes.inverted()
    starts = [min(max(float(to_axes.transform(end)[1]), 0.0), 1.0) for end in ends.values()]
    across = [min(float(to_axes.transform(end)[0]), 1.0) for end in ends.values()]
    dots = axes.figure.dpi
    heights = spread(starts, 13.5 / 72 * dots / size[1], 0.01, 0.99)
    near, far = 1 + 0.04 * dots / size[0], 1 + 0.22 * dots / size[0]
    for label, x, start, height in zip(ends, across, starts, heights, strict=True):
        axes.plot(
            [x, near, far, far + 0.07 * dots / size[0]],
            [start, start, height, height],
            transform=axes.transAxes,
            color=colours[label],
            linewidth=1.2,
            linestyle="-" if x > 0.9 else ":",  # dotted: the recipe stopped before the others
            clip_on=False,
            scalex=False,
            scaley=False,
        )
        axes.text(
            far + 0.11 * dots / size[0],
            height,
            shorten(label),
            transform=axes.transAxes,
            fontsize=9.5,
            va="center",
            color=INK,
        )


MOST_NAMED = 48
"""A figure names at most this many lines or points: more labels would hide the picture."""
TOO_MANY = "There are too many recipes to name them here: the table does."

_OFFSETS = [
    (x * distance, y * distance)
    for distance in (9, 16, 26, 38, 52, 68)
    for x, y in (
        (1, 0),
        (-1, 0),
        (0, 1),
        (0, -1),
        (0.8, 0.8),
        (-0.8, 0.8),
        (0.8, -0.8),
        (-0.8, -0.8),
    )
]
"""Places of a label around its point, in points (1/72 inch), the nearest first."""


@dataclass
class _Canvas:
    """What a label should not cover, in dots of the figure."""

    frame: Any
    """Box of the axes."""
    points: list[np.ndarray]
    inked: list[np.ndarray]
    """Places along the lines."""
    labels: list[Any]
    """Boxes of the labels that were written."""

    def cost(self, box: Any) -> float:
        """How bad a label in this box is; 0 where it covers nothing."""
        cost: float = sum(box.overlaps(other) for other in self.labels) * 10.0
        cost += sum(box.padded(4).contains(*dot) for dot in self.points)
        cost += 0.3 * sum(box.contains(*dot) for dot in self.inked)
        inside = self.frame.contains(box.x0, box.y0) and self.frame.contains(box.x1, box.y1)
        return cost + 10.0 * (not inside)


def label_points(
    axes: Axes,
    points: Mapping[str, tuple[float, float]],
    lines: Sequence[Sequence[tuple[float, float]]] = (),
) -> None:
    """Write each label near its point where it covers no point, no label, no line and no edge."""
    axes.get_xlim(), axes.get_ylim()  # autoscaling is lazy: have it done before measuring
    make_canvas: Any = FigureCanvasAgg  # whose renderer has no types
    renderer = make_canvas(axes.figure).get_renderer()
    canvas = _Canvas(
        axes.get_window_extent(renderer).padded(-2),
        [axes.transData.transform(place) for place in points.values()],
        [dot for line in lines for dot in _sampled(axes.transData.transform(line))],
        [],
    )
    for label, place in points.items():
        text = _best_placed(axes, label, place, canvas, renderer)
        canvas.labels.append(Text.get_window_extent(text, renderer))


def _best_placed(
    axes: Axes, label: str, place: tuple[float, float], canvas: _Canvas, renderer: Any
) -> Any:
    """The label at the first offset that costs nothing, or else at the offset that costs least."""
    best: tuple[float, Any] | None = None
    for offset in _OFFSETS:
        text: Any = _annotation(axes, label, place, offset)
        text.update_positions(renderer)
        # Text's own method: that of an annotation counts its arrow.
        cost = canvas.cost(Text.get_window_extent(text, renderer).padded(1.5))
        if best is None or cost < best[0]:
            if best is not None:
                best[1].remove()
            best = (cost, text)
        else:
            text.remove()
        if best[0] == 0:
            break
    assert best is not None
    return best[1]


def _annotation(
    axes: Axes, label: str, place: tuple[float, float], offset: tuple[float, float]
) -> Any:
    """The label beside its point, with a line to it where it stands further away."""
    x, y = offset
    leader = {
        "arrowstyle": "-",
        "color": QUIET,
        "linewidth": 0.7,
        "shrinkA": 0,
        "shrinkB": 5,
    }
    return axes.annotate(
        shorten(label, 30),
        place,
        offset,
        textcoords="offset points",
        fontsize=9.5,
        ha="left" if x > 0 else "right" if x < 0 else "center",
        va="center",
        color=INK,
        arrowprops=leader if abs(x) + abs(y) > 20 else None,
    )


def _sampled(corners: np.ndarray) -> np.ndarray:
    """Points every few pixels along a line of these corners."""
    if len(corners) < 2:
        return corners
    walked = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    places = np.arange(0.0, walked[-1], 4.0)
    return np.stack([np.interp(places, walked, corners[:, axis]) for axis in (0, 1)], axis=1)
