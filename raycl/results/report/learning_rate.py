"""The learning rate over the tokens trained on: each distinct schedule once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from raycl.results.outcome import MERGED, RecipeOutcome
from raycl.results.report.canvas import Drawing, leave_room, new_axes
from raycl.results.report.groups import last_stage, trunk
from raycl.results.report.labels import MOST_NAMED, TOO_MANY, shorten
from raycl.results.report.number_text import rate_text
from raycl.results.report.palette import INK, Look
from raycl.results.report.tokens_axis import format_tokens, mark_hand_offs, own_part, scratch_offset

_BRANCHES = "annealed branches"


def _rates(outcome: RecipeOutcome) -> pd.Series[float]:
    """Learning rate by the number of steps done after it."""
    if "learning_rate" not in outcome.history:
        return pd.Series(dtype="float64")
    known = outcome.history[["step", "learning_rate"]].dropna()
    return pd.Series(known["learning_rate"].to_numpy(float), index=known["step"].to_numpy() + 1)


def _alike(outcomes: Sequence[RecipeOutcome]) -> list[list[RecipeOutcome]]:
    """Groups of recipes that have the same learning rate in every step."""
    groups: dict[bytes, list[RecipeOutcome]] = {}
    for outcome in outcomes:
        rates = _rates(outcome)
        if len(rates):
            groups.setdefault(rates.to_numpy(np.float32).tobytes(), []).append(outcome)
    return list(groups.values())


def _schedules(outcomes: Sequence[RecipeOutcome]) -> list[list[RecipeOutcome]]:
    """Groups of recipes with the same schedule, each of which gets a line, by falling max.

    Left out are a previous baseline, which is the beginning of other recipes; branches, which are
    drawn with their trunk; and a scratch baseline that would be drawn at another place.
    """
    whole = [
        outcome
        for outcome in outcomes
        if outcome.kind not in ("previous", MERGED)
        and trunk(outcome, outcomes) is None
        and not scratch_offset(outcome, outcomes)
    ]
    # There is a legend, by falling max: schedules may all end at one rate, so that labels at their
    # ends would not tell them apart.
    return sorted(_alike(whole), key=lambda group: -(last_stage(group[0]).max_lr or 0.0))


def _named(group: Sequence[RecipeOutcome]) -> str:
    if len(group) == 1:
        return shorten(group[0].label)
    return f"max {rate_text(last_stage(group[0]).max_lr)}, {len(group)} recipes"


def _draw_branches(
    axes: Axes,
    outcomes: Sequence[RecipeOutcome],
    colours: Mapping[str, str],
    appearance: Mapping[str, Look],
) -> list[float]:
    """Draw each distinct branch in the colour of its trunk; returns where they end, in tokens."""
    trunks = {outcome.label: trunk(outcome, outcomes) for outcome in outcomes}
    ends: list[float] = []
    annealed = [outcome for outcome in outcomes if outcome.kind == "anneal"]
    for group in _alike([outcome for outcome in annealed if trunks[outcome.label]]):
        branch, grown_from = group[0], trunks[group[0].label]
        if grown_from is None or grown_from.label not in colours:
            continue
        rates = own_part(_rates(branch), _rates(grown_from))
        tokens = rates.index.to_numpy(float) * branch.tokens_per_step
        axes.plot(
            tokens,
            rates.to_numpy(),
            color=colours[grown_from.label],
            linestyle=appearance[branch.label].line,
            label=None if ends else _BRANCHES,
        )
        ends.append(float(tokens[-1]))
    return ends


def draw_learning_rate(
    outcomes: Sequence[RecipeOutcome], appearance: Mapping[str, Look]
) -> Drawing | None:
    """The learning rate of every step; None where no recipe has begun."""
    groups = _schedules(outcomes)
    if not groups:
        return None
    named = groups if len(groups) <= MOST_NAMED else []
    height = max(3.1, 0.9 + 0.2 * len(named))
    figure, axes = new_axes("tokens trained on", "learning rate", height)
    ends, highest = [], 0.0
    colours: dict[str, str] = {}
    for group in groups:
        rates = _rates(group[0])
        tokens = rates.index.to_numpy(float) * group[0].tokens_per_step
        look = appearance[group[0].label]
        colour = INK if len(group) > 1 else look.colour
        colours |= {outcome.label: colour for outcome in group}
        axes.plot(tokens, rates.to_numpy(), color=colour, linestyle=look.line, label=_named(group))
        ends.append(float(tokens[-1]))
        highest = max(highest, float(rates.max()))
    ends += _draw_branches(axes, outcomes, colours, appearance)
    if named:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(1.01, 1.02),
            frameon=False,
            fontsize=9.5,
            labelcolor=INK,
        )
    leave_room(figure, [*(_named(group) + "  " for group in named), _BRANCHES])
    axes.set_xlim(0, max(ends) or 1)
    axes.set_ylim(0, 1.06 * highest or 1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: rate_text(rate) if rate else "0"))
    mark_hand_offs(axes, outcomes)
    format_tokens(axes)
    caption = "Each distinct schedule once; recipes that share it are counted."
    caption += "" if named else f" {TOO_MANY}"
    return Drawing("learning-rate", "Learning rate", caption, figure)
