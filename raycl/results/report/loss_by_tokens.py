"""The loss over the tokens trained on: through the hand-offs, with branches and baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from raycl.results.mean_outcomes import SPREAD
from raycl.results.outcome import (
    MERGED,
    VALIDATION,
    RecipeOutcome,
    corpora_of,
    new_in,
    validation_curve,
)
from raycl.results.report.canvas import Drawing, leave_room, new_axes
from raycl.results.report.groups import last_stage, trunk
from raycl.results.report.labels import MOST_NAMED, TOO_MANY, label_ends, shorten
from raycl.results.report.palette import LOSS, Look
from raycl.results.report.tokens_axis import format_tokens, mark_hand_offs, own_part, scratch_offset

_CAPTIONS = {
    "anneal": "Short dashes to a star: annealed branches, in the colour of their trunk.",
    MERGED: "Diamonds: merged models, in the colour of their recipe.",
    "previous": "Dash-dotted grey: the loss before the last stage.",
    "union": "Dashed grey: the union baseline.",
    "scratch": "Dotted grey: from scratch, drawn from the last hand-off on.",
    "alone": "Dash-dot-dotted grey: one corpus of the last stage alone.",
}


def _shown(outcome: RecipeOutcome, corpus: str) -> bool:
    curve = validation_curve(outcome, corpus)
    if curve.empty or outcome.kind in ("sweep", MERGED):
        return not curve.empty
    if outcome.kind == "previous" and last_stage(outcome).last_step not in curve.index:
        return False  # only its end is drawn, and it is not there
    # A baseline or a branch that never reads the corpus would only stretch the axis.
    return any(corpus in (*stage.new, *stage.replayed) for stage in outcome.stages)


def _curve(
    outcome: RecipeOutcome, corpus: str, outcomes: Sequence[RecipeOutcome]
) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, losses) of a line. A branch is drawn from where it leaves its trunk."""
    curve = validation_curve(outcome, corpus)
    grown_from = trunk(outcome, outcomes)
    if grown_from is not None:
        curve = own_part(curve, validation_curve(grown_from, corpus))
    if outcome.kind in ("previous", MERGED):  # its curve is the beginning of other lines
        curve = curve.tail(1)
    tokens = curve.index.to_numpy(float) * outcome.tokens_per_step
    return tokens + scratch_offset(outcome, outcomes), curve.to_numpy(float)


def _settled(outcome: RecipeOutcome, corpus: str) -> pd.Series[float]:
    """The losses that the axis must hold: those of the last stage and of spikes before it.

    In a stage after the corpus was learned, the first twentieth is left out, so that the spike
    stays. In a stage where it is new, the first third is left out: there the loss falls so far that
    on such an axis the differences at the end could not be seen.
    """
    curve = validation_curve(outcome, corpus)
    if outcome.kind != "sweep":
        return curve.tail(1)
    parts = [curve.tail(1)]
    known = corpus in outcome.knows
    for stage in outcome.stages:
        new = corpus in new_in(outcome, stage)
        if stage == outcome.stages[-1] or (known and not new):
            left_out = 1 / 3 if new else 1 / 20
            settled = stage.first_step + (stage.last_step - stage.first_step) * left_out
            parts.append(curve[(curve.index >= settled) & (curve.index <= stage.last_step)])
        known = known or new
    return pd.concat(parts)


def _loss_limits(outcomes: Sequence[RecipeOutcome], corpus: str) -> tuple[float, float]:
    """From the lowest loss to the highest settled one, which leaves out the steep fall at first."""
    low, high = math.inf, -math.inf
    for outcome in outcomes:
        low = min(low, float(validation_curve(outcome, corpus).min()))
        high = max(high, float(_settled(outcome, corpus).max()))
    pad = 0.06 * (high - low) or 0.1
    return low - pad, high + pad


def _draw_band(
    axes: Axes,
    outcome: RecipeOutcome,
    corpus: str,
    line: tuple[np.ndarray, np.ndarray],
    look: Look,
) -> None:
    """The standard deviation over seeds around a line of a recipe, where there is one."""
    if SPREAD + corpus not in outcome.history or outcome.kind != "sweep":
        return
    known = outcome.history.dropna(subset=[VALIDATION + corpus]).sort_values("step")
    spread = known[SPREAD + corpus].fillna(0.0).to_numpy(float)
    tokens, losses = line
    if len(spread) == len(tokens):
        axes.fill_between(
            tokens, losses - spread, losses + spread, color=look.colour, alpha=0.15, linewidth=0
        )


def draw_hand_off(
    outcomes: Sequence[RecipeOutcome], corpus: str, appearance: Mapping[str, Look]
) -> Drawing | None:
    """The loss on one corpus, a line per recipe; None where no recipe has a line."""
    lines = [outcome for outcome in outcomes if _shown(outcome, corpus)]
    if not lines:
        return None
    curves = {outcome.label: _curve(outcome, corpus, outcomes) for outcome in lines}
    furthest = max(float(tokens[-1]) for tokens, _ in curves.values()) or 1.0
    # Branches and merges have no labels, which would crowd out those of the recipes: their colour
    # and their place tell them apart.
    own = [o for o in lines if o.kind != MERGED and trunk(o, outcomes) is None]
    named = [outcome.label for outcome in own]
    if crowded := len(named) > MOST_NAMED:
        named = []
    known = set(named)
    figure, axes = new_axes("tokens trained on", LOSS, max(3.7, 0.9 + 0.2 * len(named)))
    leave_room(figure, [shorten(label) for label in named])
    ends = {}
    for outcome in lines:
        tokens, losses = curves[outcome.label]
        if outcome.kind == "previous":  # a level to compare the later stages with
            tokens, losses = np.array([tokens[-1], furthest]), np.repeat(losses[-1], 2)
        look = appearance[outcome.label]
        axes.plot(tokens, losses, color=look.colour, linestyle=look.line)
        _draw_band(axes, outcome, corpus, (tokens, losses), look)
        if outcome.kind in ("anneal", MERGED):
            axes.plot(tokens[-1], losses[-1], look.marker, color=look.colour, clip_on=False)
        if outcome.label in known:
            ends[outcome.label] = (float(tokens[-1]), float(losses[-1]))
    axes.set_ylim(*_loss_limits(lines, corpus))
    axes.set_xlim(0, furthest)
    mark_hand_offs(axes, lines)
    format_tokens(axes)
    label_ends(axes, ends, {label: appearance[label].colour for label in ends})
    kinds = {outcome.kind for outcome in lines}
    banded = any(SPREAD + corpus in outcome.history for outcome in lines)
    caption = ["One line per recipe; the first steps, far above, are cut off."]
    if all(outcome.starts_trained for outcome in lines):
        cut = any(float(losses.max()) > axes.get_ylim()[1] for _, losses in curves.values())
        caption = ["One line per recipe" + "; first steps above the frame are cut off" * cut + "."]
    caption += [words for kind, words in _CAPTIONS.items() if kind in kinds]
    caption += ["Bands: the standard deviation over seeds around their mean."] if banded else []
    caption += [TOO_MANY] if crowded else []
    name = f"loss-{corpora_of(outcomes).index(corpus)}"
    hand_off = any(len(outcome.stages) > 1 for outcome in lines if not outcome.is_baseline)
    title = f"Loss on {corpus}" + " through the hand-off" * hand_off
    return Drawing(name, title, " ".join(caption), figure)
