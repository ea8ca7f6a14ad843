"""A table of recipes as one of settings: the mean over seeds, its noise, and what is clear."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from raycl.results.report.cells import Cell, Line, PaperTable, Style
from raycl.results.report.number_text import loss_text
from raycl.results.settings import (
    SEED,
    SETTING,
    clear_best,
    compare,
    has_seeds,
    ranked,
    status_of,
)
from raycl.results.uncertainty.decision import Decision
from raycl.results.uncertainty.intervals import LEVEL, mean_interval

CAPTION = "mean ± standard deviation over seeds; bold: better than the next best by more than noise"
ONE_SEED = "bold: best of the sweep, by one seed, which shows no noise"
BEST = "bold: best of the sweep"


@dataclass(frozen=True)
class _Setting:
    """The lines of one setting by seed."""

    name: str
    lines: Mapping[int, Line]

    def values(self, column: int) -> dict[int, float]:
        found = {seed: line.cells[column].value for seed, line in self.lines.items()}
        return {seed: value for seed, value in found.items() if not math.isnan(value)}


def over_seeds(table: pd.DataFrame, paper: PaperTable) -> PaperTable:
    """The same table with a line a setting; `table` is the results table that it was made of.

    Where the sweep has no seeds it stays as it is. A cell is marked as the best where the paired
    interval of its difference from the next best one excludes zero.
    """
    if not has_seeds(table):
        return paper
    found: dict[str, dict[int, Line]] = {}
    for setting, seed, line in zip(table[SETTING], table[SEED], paper.lines, strict=True):
        found.setdefault(str(setting), {})[int(seed)] = line
    settings = [_Setting(name, lines) for name, lines in found.items()]
    best = [_clear_best(settings, place, style) for place, style in enumerate(paper.styles)]
    lines = tuple(_line(setting, paper.styles, best) for setting in settings)
    return PaperTable(paper.columns, lines, paper.styles)


def _line(setting: _Setting, styles: Sequence[Style], best: Sequence[str | None]) -> Line:
    first = next(iter(setting.lines.values()))
    status = status_of([line.status for line in setting.lines.values()])
    cells = tuple(
        _cell(setting, place, style, best[place] == setting.name)
        for place, style in enumerate(styles)
    )
    return Line(setting.name, first.kind, status, cells)


def _cell(setting: _Setting, place: int, style: Style, best: bool) -> Cell:
    values = list(setting.values(place).values())
    found = mean_interval(values)
    if not values:
        return next(iter(setting.lines.values())).cells[place]
    text = style.write(found.mean)
    if style.spread and found.is_known:
        text += f" ± {found.sd:.2f}"
    return Cell(text, found.mean, best)


def _clear_best(settings: Sequence[_Setting], place: int, style: Style) -> str | None:
    own = (s for s in settings if not next(iter(s.lines.values())).is_baseline)
    return clear_best({s.name: s.values(place) for s in own}, style.direction)


def bold_text(table: pd.DataFrame) -> str:
    """What bold means in the table, for its caption."""
    return CAPTION if has_seeds(table) else BEST if table.empty else ONE_SEED


def _difference_text(decision: Decision, second: str) -> str:
    """`0.03 below replay 1% (95 % interval 0.01 to 0.05): clear`."""
    difference = decision.difference
    # In the seeds of both it may be the other way round, where one of them has further seeds.
    side, sign = ("above", 1) if difference.mean > 0 else ("below", -1)
    amount = f"{loss_text(abs(difference.mean))} {side} {second}"
    if difference.is_known:
        low, high = sorted((sign * difference.low, sign * difference.high))
        ends = f"{loss_text(low, signed=True)} to {loss_text(high, signed=True)}"
        amount += f" ({100 * LEVEL:.0f} % interval {ends})"
    return f"{amount}: {decision.text}"


def seeds_notes(table: pd.DataFrame) -> list[str]:
    """A sentence on each setting that the seeds cannot tell from the best one, up to five."""
    if not has_seeds(table) or "average" not in table:
        return []
    order = ranked(table, "average", -1)
    found = {other: compare(table, "average", order[0], other) for other in order[1:]}
    open_ = [(other, decision) for other, decision in found.items() if not decision.is_clear]
    return [
        f"Average of {order[0]} against {other}: {_difference_text(decision, other)}."
        for other, decision in open_[:5]
    ]
