"""The columns of a results table as people compare them, with their values and the best ones.

`raycl.results.report.table` says which columns people see, in which order, and which cells are
best; here they get the names that they have in the results table, units and directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pandas as pd

from raycl.results.metrics.tasks import score_falls
from raycl.results.report.cells import PaperTable
from raycl.results.report.over_seeds import over_seeds
from raycl.results.report.table import (
    HELD_OUT,
    averages_are_alike,
    paper_table,
    transfer_table,
)
from raycl.results.settings import has_seeds
from raycl.watch.contract import Column, Group
from raycl.watch.hints import column_hint
from raycl.watch.plain import finite

_NATS, _BITS, _TOKENS = "nats/token", "bits/byte", "tokens"
_TASK = "task/"
_EFFORT = {
    "anneal's tokens": ("anneal_tokens", _TOKENS, 0),
    "realised replay": ("realised_replay", "", 4),
    "tokens to union": ("tokens_to_union", _TOKENS, 0),
    "tokens": ("tokens", _TOKENS, 0),
}


Papers = tuple[PaperTable, PaperTable]
"""A table with a line a recipe, and the one whose best cells are marked: with seeds that has a line
a setting."""


@dataclass
class Shown:
    """Columns, and by label of a recipe its values and the columns in which it is the best."""

    columns: list[Column] = field(default_factory=list)
    values: dict[str, dict[str, float | None]] = field(default_factory=dict)
    best: dict[str, list[str]] = field(default_factory=dict)
    """By label; with seeds by setting, where the difference is clear over them."""

    def add(self, column: Column, papers: Papers, place: int) -> None:
        """Add the column at this place of a table for people."""
        paper, marked = papers
        if any(known["name"] == column["name"] for known in self.columns):
            return
        self.columns.append(column)
        for line in paper.lines:
            cell = line.cells[place]
            self.values.setdefault(line.recipe, {})[column["name"]] = finite(cell.value)
        for line in marked.lines:
            if line.cells[place].best:
                self.best.setdefault(line.recipe, []).append(column["name"])


def shown_columns(table: pd.DataFrame) -> Shown:
    """All columns of a results table that people compare recipes by."""
    shown = Shown()
    if table.empty:
        return shown
    alike = averages_are_alike(table)
    effort: list[tuple[Column, Papers, int]] = []
    papers = _marked(table, paper_table(table))
    for place, title in enumerate(papers[0].columns):
        if title in _EFFORT and f"loss/{title}" not in table:
            effort.append((_effort_column(title), papers, place))
        else:
            shown.add(_loss_or_change(title, alike), papers, place)
    papers = _marked(table, paper_table(table, unit="bits_per_byte", effort=False))
    for place, title in enumerate(papers[0].columns):
        shown.add(_bits_column(title, alike), papers, place)
    papers = _marked(table, transfer_table(table))
    for place, title in enumerate(papers[0].columns):
        column = _transfer_column(title)
        if column["name"] in table:  # a recovery that nobody reached has no column there
            shown.add(column, papers, place)
    for column, of, place in effort:
        shown.add(column, of, place)
    for column in _task_columns(table):
        shown.columns.append(column)
        for label, value in zip(table["recipe"], table[column["name"]], strict=True):
            shown.values.setdefault(str(label), {})[column["name"]] = finite(value)
    return shown


def _marked(table: pd.DataFrame, paper: PaperTable) -> Papers:
    return paper, over_seeds(table, paper) if has_seeds(table) else paper


def _column(name: str, title: str, group: Group, unit: str, better: int, digits: int) -> Column:
    return Column(
        name=name,
        title=title,
        hint=column_hint(name),
        group=group,
        unit=unit,
        better=better,
        digits=digits,
    )


def _corpus(title: str) -> str:
    return title.removesuffix(f" ({HELD_OUT})")


def _loss_or_change(title: str, alike: bool) -> Column:
    if title == "AVG":
        return _column("average", "average", "loss", _NATS, -1 if alike else 0, 2)
    if title == "gap to union":
        return _column("gap_to_union", title, "change", _NATS, -1, 2)
    for word, better in (("forgetting", -1), ("adaptation", 1)):
        if title == f"mean {word}":
            return _column(f"mean_{word}", title, "change", _NATS, better, 2)
        if title.startswith(f"{word} "):
            corpus = title.removeprefix(f"{word} ")
            return _column(f"{word}/{corpus}", title, "change", _NATS, better, 2)
    return _column(f"loss/{_corpus(title)}", title, "loss", _NATS, -1, 2)


def _bits_column(title: str, alike: bool) -> Column:
    if title == "AVG":
        better = -1 if alike else 0
        return _column("average_bits_per_byte", "average", "bits per byte", _BITS, better, 3)
    return _column(f"bits_per_byte/{_corpus(title)}", title, "bits per byte", _BITS, -1, 3)


def _transfer_column(title: str) -> Column:
    if title in ("backward transfer", "forward transfer"):
        return _column(title.replace(" ", "_"), title, "transfer", _NATS, 1, 2)
    if title.startswith("spike "):
        return _column(f"spike/{title.removeprefix('spike ')}", title, "transfer", _NATS, -1, 2)
    corpus = title.removeprefix("recovery ")
    return _column(f"recovery_tokens/{corpus}", title, "transfer", _TOKENS, -1, 0)


def _effort_column(title: str) -> Column:
    name, unit, digits = _EFFORT[title]
    return _column(name, title, "effort", unit, 0, digits)


def _task_columns(table: pd.DataFrame) -> Iterator[Column]:
    for name in table.columns:
        if str(name).startswith(_TASK):
            title = str(name).removeprefix(_TASK)
            better = -1 if score_falls(title) else 1
            yield _column(str(name), title, "task", "score", better, 3)
