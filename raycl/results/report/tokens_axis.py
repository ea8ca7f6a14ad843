"""What figures over the tokens trained on have in common: axis, hand-offs, starts of branches."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from raycl.results.outcome import RecipeOutcome
from raycl.results.report.groups import last_stage, swept
from raycl.results.report.number_text import tokens_text
from raycl.results.report.palette import QUIET


def scratch_offset(outcome: RecipeOutcome, outcomes: Sequence[RecipeOutcome]) -> int:
    """Tokens by which a scratch baseline is moved right, so that it ends with the recipes."""
    if outcome.kind != "scratch":
        return 0
    recipes = [other for other in swept(outcomes) if other.stages]
    starts = [last_stage(other).first_step * other.tokens_per_step for other in recipes]
    return max(starts, default=0)


def mark_hand_offs(axes: Axes, outcomes: Sequence[RecipeOutcome]) -> None:
    """Draw a dashed line at every place where a recipe's next stage begins."""
    recipes = swept(outcomes)
    places = {s.first_step * o.tokens_per_step for o in recipes for s in o.stages[1:]}
    for place in sorted(places):
        # Of many lines the first alone is named, and explains the others.
        draw_hand_off(axes, place, named=len(places) <= 4 or place == min(places))


def draw_hand_off(axes: Axes, place: float, named: bool) -> None:
    """Draw a dashed line at `place`, in tokens, where a stage begins."""
    axes.axvline(place, color=QUIET, linewidth=1.1, linestyle=(0, (3, 3)), zorder=1.5)
    if named:
        axes.annotate(
            "hand-off",
            (place, 1.0),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8.5,
            color=QUIET,
        )


def format_tokens(axes: Axes) -> None:
    """Number the axis with a few round numbers of tokens."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tokens, _: tokens_text(max(tokens, 0))))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))


def own_part(branch: pd.Series[float], trunk: pd.Series[float]) -> pd.Series[float]:
    """A branch's curve (by step) from the last point that it has in common with its trunk's."""
    count = min(len(branch), len(trunk))
    same = branch.index[:count] == trunk.index[:count]
    same &= branch.to_numpy()[:count] == trunk.to_numpy()[:count]
    shared = count if same.all() else int(same.argmin())
    return branch.iloc[max(shared - 1, 0) :]
