"""Curves over seeds: the mean as a line, the range as a light band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from raycl.reproduction.evidence.measures import last_loss
from raycl.results.outcome import RecipeOutcome, validation_curve
from raycl.results.report.groups import last_stage
from raycl.results.report.labels import label_ends
from raycl.results.report.tokens_axis import draw_hand_off

Picked = Mapping[int, RecipeOutcome]
"""One outcome per seed."""


@dataclass(frozen=True)
class Band:
    """Tokens, and the mean, lowest and highest value there over the seeds that were measured."""

    tokens: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def after(self, tokens: float) -> Band:
        """The part at and after this many tokens."""
        return self._kept(self.tokens >= tokens)

    def until(self, tokens: float) -> Band:
        """The part before this many tokens."""
        return self._kept(self.tokens < tokens)

    def _kept(self, kept: np.ndarray) -> Band:
        return Band(self.tokens[kept], self.mean[kept], self.low[kept], self.high[kept])


@dataclass(frozen=True)
class Stroke:
    """A named band and how it is drawn; an unnamed one (empty name) gets no label."""

    name: str
    band: Band
    colour: str
    line: object = "-"


def band_of(columns: Sequence[pd.Series[float]], tokens_per_step: int) -> Band | None:
    """The band of one series per seed, over the steps which all of them have.

    `columns` are indexed by step. None where fewer than two steps are common to all: no line goes
    through one point.
    """
    filled = [column for column in columns if len(column)]
    if not filled:
        return None
    table = pd.concat(filled, axis=1, join="inner").dropna().sort_index()
    if len(table) < 2:
        return None
    values = table.to_numpy(float)
    tokens = table.index.to_numpy(float) * tokens_per_step
    return Band(tokens, values.mean(axis=1), values.min(axis=1), values.max(axis=1))


def _mean_curve(outcome: RecipeOutcome, corpora: Sequence[str]) -> pd.Series[float]:
    curves = [validation_curve(outcome, corpus) for corpus in corpora]
    if not curves or any(curve.empty for curve in curves):
        return pd.Series(dtype="float64")
    return pd.concat(curves, axis=1, join="inner").mean(axis=1)


def loss_band(found: Picked, corpora: Sequence[str], stage_only: bool = True) -> Band | None:
    """Mean loss on the corpora, of finished recipes only; None where none is finished.

    With `stage_only` it is that of the last stage, whose hand-off is at 0 tokens.
    """
    whole = [o for o in found.values() if o.stages and o.steps >= last_stage(o).last_step]
    curves = []
    for outcome in whole:
        curve = _mean_curve(outcome, corpora)
        first = last_stage(outcome).first_step if stage_only else 0
        curve = curve[curve.index >= first]
        curve.index = curve.index - first
        curves.append(curve)
    return band_of(curves, whole[0].tokens_per_step) if whole else None


def rate_band(found: Picked) -> Band | None:
    """The learning rate of every step of the recipe; None where none was recorded."""
    columns = [
        outcome.history.dropna(subset=["learning_rate"]).set_index("step")["learning_rate"]
        for outcome in found.values()
        if "learning_rate" in outcome.history.columns
    ]
    per_step = next((outcome.tokens_per_step for outcome in found.values()), 1)
    return band_of(columns, per_step)


def level_band(found: Picked, corpora: Sequence[str], tokens: np.ndarray) -> Band | None:
    """The final loss as a level from the first to the last of these tokens; None if unknown."""
    finals = [np.mean([last_loss(o, corpus) for corpus in corpora]) for o in found.values()]
    known = np.array([value for value in finals if np.isfinite(value)])
    if not len(known) or not len(tokens):
        return None
    ends = np.array([tokens[0], tokens[-1]])
    flat = np.ones(2)
    return Band(ends, known.mean() * flat, known.min() * flat, known.max() * flat)


def draw_strokes(axes: Axes, strokes: Sequence[Stroke]) -> None:
    """Draw lines and bands into the axes. `label_strokes` follows when the limits are set."""
    for stroke in strokes:
        band = stroke.band
        axes.fill_between(
            band.tokens, band.low, band.high, color=stroke.colour, alpha=0.11, linewidth=0
        )
        axes.plot(band.tokens, band.mean, color=stroke.colour, linestyle=stroke.line)


def label_strokes(axes: Axes, strokes: Sequence[Stroke]) -> None:
    """Write the name of each stroke beside its end."""
    named = [stroke for stroke in strokes if stroke.name]
    ends = {s.name: (float(s.band.tokens[-1]), float(s.band.mean[-1])) for s in named}
    label_ends(axes, ends, {stroke.name: stroke.colour for stroke in named})


def mark_hand_offs(axes: Axes, places: Sequence[float]) -> None:
    """Draw a dashed line at each place, in tokens, where a stage begins; the first is named."""
    for number, place in enumerate(sorted(places)):
        draw_hand_off(axes, place, named=number == 0)
