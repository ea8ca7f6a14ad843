"""The pictures of docs/concepts.md, drawn from raycl's own schedules and mixtures.

`python -m docs.site.pictures` writes them into docs/images.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raycl.plan.curves import descend
from raycl.plan.mixture import Mixture, Source
from raycl.plan.schedule import Cosine, Infinite
from raycl.results.report.canvas import house_style

FOLDER = Path(__file__).parents[1] / "images"
_STEPS = 1000
_TOKENS = 4096
_PLATEAU, _LOWEST = 1.65e-4, 3e-5
_INK, _QUIET, _OLD, _NEW = "#22272e", "#6a737d", "#d9541e", "#31688e"


def handoff(figure: Figure) -> None:
    """Two stages with the paper's schedule: the rate warms up again where new data begins."""
    rates, optimizer = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    schedule = Cosine.model_validate({"max_lr": "3e-4", "warmup": "5%"})
    for stage, colour in enumerate((_OLD, _NEW)):
        steps = np.arange(_STEPS, dtype=np.float64)
        rates.plot(stage * _STEPS + steps, schedule.rates(steps, _STEPS, _TOKENS), color=colour)
    _write(rates, 640, 2.2e-4, "stage 1: old data", _OLD)
    _write(rates, 1720, 2.2e-4, "stage 2: new data\nand replay of old", _NEW)
    rates.set_ylabel("learning rate")
    rates.set_ylim(0, 3.3e-4)
    for stage, colour in enumerate((_OLD, _NEW)):
        optimizer.barh(0, _STEPS, left=stage * _STEPS, color=colour, alpha=0.25)
        _write(optimizer, stage * _STEPS + 500, 0, "its own AdamW moments", colour)
    optimizer.set_yticks([])
    optimizer.set_xlabel("step")
    for axes in (rates, optimizer):
        axes.axvline(_STEPS, color=_INK, lw=0.8, ls=(0, (3, 2)))
    _write(rates, _STEPS - 270, 3.0e-4, "hand-off: weights only", _INK)


def infinite(figure: Figure) -> None:
    """A trunk that can always go on, and the anneals that leave it."""
    axes = figure.subplots()
    trunk = Infinite.model_validate(
        {"max_lr": "3e-4", "constant_lr": _PLATEAU, "min_lr": _LOWEST, "cooldown": "40%"}
    )
    steps = np.arange(_STEPS, dtype=np.float64)
    axes.plot(steps, trunk.rates(steps, _STEPS, _TOKENS), color=_OLD)
    axes.plot(_STEPS + steps, np.full(_STEPS, _PLATEAU), color=_NEW)
    for start, colour in ((700, _OLD), (_STEPS, _OLD), (2 * _STEPS, _NEW)):
        _branch(axes, start, colour)
    axes.axvline(_STEPS, color=_INK, lw=0.8, ls=(0, (3, 2)))
    _write(axes, 330, 3.0e-4, "warm-up, cool-down", _OLD)
    _write(axes, 1550, 1.8e-4, "plateau: the next stage goes on, no re-warming", _NEW)
    _write(axes, 1480, 4.5e-5, "anneals: branches to use", _OLD)
    axes.set_ylabel("learning rate")
    axes.set_ylim(0, 3.4e-4)
    axes.set_xlabel("step")


def _branch(axes: Axes, start: int, colour: str) -> None:
    since = np.arange(201)
    falling = descend(_PLATEAU, _LOWEST, since / 200, "exponential")
    axes.plot(start + since, falling, color=colour, ls=(0, (2.2, 0.9)))


def mixing(figure: Figure) -> None:
    """Replay of 5 % in a batch of 24 rows: what each step holds, and how it never drifts."""
    rows, drift = figure.subplots(1, 2, width_ratios=(3, 2))
    batch, replay, steps = 24, Fraction(5, 100), np.arange(41)
    sources = [
        Source("new", Fraction(1), limit=10**6),
        Source("old", Fraction(1), replay=True, limit=10**6),
    ]
    supplied = Mixture(sources, batch, replay).supplied(steps)
    counts = np.diff(supplied, axis=1)
    rows.bar(steps[:-1], counts[0], color=_NEW, width=0.85, label="rows of new data")
    rows.bar(steps[:-1], counts[1], bottom=counts[0], color=_OLD, width=0.85, label="replayed rows")
    rows.set_ylabel(f"rows of a batch of {batch}")
    rows.set_ylim(0, batch + 5)
    rows.legend(frameon=False, loc="upper left", ncols=2)
    rows.set_xlabel("step")
    drift.step(steps, supplied[1] - steps * batch * float(replay), color=_OLD, where="mid")
    drift.axhline(0, color=_QUIET, lw=0.8)
    drift.set_ylim(-1, 1)
    drift.set_ylabel("replayed rows above 5 %")
    drift.set_xlabel("step")


def tree(figure: Figure) -> None:
    """The sweep of the quickstart as nodes: what recipes share is trained once."""
    axes = figure.subplots()
    leaves = [f"replay {share}%" for share in (0, 1, 5, 25, 50)] + ["constant rate"]
    top = len(leaves) / 2 - 0.5
    _node(axes, 0, top, "English", _OLD)
    for place, leaf in enumerate(reversed(leaves)):
        axes.plot([1.0, 1.5], [top, place], color=_QUIET, lw=1)
        _node(axes, 1.5, place, f"German, {leaf}", _NEW)
    for place, baseline in enumerate(("union of both", "German only")):
        _node(axes, 0, -1.2 - place, f"baseline: {baseline}", _QUIET)
    axes.set_xlim(-0.05, 2.95)
    axes.set_ylim(-2.7, len(leaves) - 0.4)
    axes.axis("off")


def _node(axes: Axes, left: float, height: float, text: str, colour: str) -> None:
    axes.barh(height, 1.0 if left == 0 else 1.4, 0.72, left=left, color=colour, alpha=0.18)
    axes.text(left + 0.06, height, text, va="center", color=_INK)


def _write(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    axes.text(x, y, text, color=colour, ha="center", va="center")


PICTURES: dict[str, tuple[Callable[[Figure], None], tuple[float, float]]] = {
    "handoff": (handoff, (7.6, 3.6)),
    "infinite": (infinite, (7.6, 3.2)),
    "mixing": (mixing, (7.6, 2.9)),
    "tree": (tree, (7.6, 3.4)),
}
"""Name of the file: (what draws it, inches of width and height)."""


def draw(name: str, folder: Path) -> Path:
    """Write `<folder>/concept-<name>.svg`. The same code gives the same bytes."""
    paint, size = PICTURES[name]
    file = folder / f"concept-{name}.svg"
    with house_style():
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        figure.savefig(file, metadata={"Date": None})
    return file


if __name__ == "__main__":
    for picture in PICTURES:
        print(draw(picture, FOLDER))
