"""The results as the paper prints them: recipe, loss per corpus, average, forgetting, adaptation.

`paper_table` says what stands in each cell and which cells are best; the terminal and the page
only differ in how they draw it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raycl.results.outcome import BASELINES
from raycl.results.report.number_text import loss_text, share_text, tokens_text


@dataclass(frozen=True)
class Cell:
    """The words of a cell, the number behind them (NaN: none), and whether it is the best."""

    text: str
    value: float = math.nan
    best: bool = False


@dataclass(frozen=True)
class Line:
    """One recipe: its name, kind and status, and a cell for every column."""

    recipe: str
    kind: str
    status: str
    cells: tuple[Cell, ...]

    @property
    def is_baseline(self) -> bool:
        """Whether recipes are measured against it; it is never marked as the best."""
        return self.kind in BASELINES


@dataclass(frozen=True)
class PaperTable:
    """Column titles (after the recipe) and lines."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def _loss_columns(table: pd.DataFrame, unit: str) -> dict[str, tuple[pd.Series[float], int]]:
    """Title -> (numbers, direction): -1 where less is better, 1 where more is, 0 where neither."""
    columns: dict[str, tuple[pd.Series[float], int]] = {}
    losses = [name for name in table.columns if name.startswith(f"{unit}/")]
    for name in losses:
        columns[name.removeprefix(f"{unit}/")] = (table[name], -1)
    if losses:
        columns["AVG"] = (table[losses].mean(axis=1, skipna=False), -1)
    return columns


def _of_the_sweep(table: pd.DataFrame, measure: str) -> list[str]:
    """The measure's columns in which recipes of the sweep have values.

    A branch off an earlier stage changes other corpora. It is compared with the recipes only where
    it has values in all of these columns.
    """
    names = [name for name in table.columns if name.startswith(f"{measure}/")]
    whole = table.loc[table["kind"] == "sweep", names]
    return [name for name in names if whole.empty or whole[name].notna().any()]


def _change_columns(table: pd.DataFrame) -> dict[str, tuple[pd.Series[float], int]]:
    columns: dict[str, tuple[pd.Series[float], int]] = {}
    for word, direction in (("forgetting", -1), ("adaptation", 1)):
        names = _of_the_sweep(table, word)
        if len(names) == 1:
            columns[f"{word} {names[0].removeprefix(word + '/')}"] = (table[names[0]], direction)
        elif names:
            columns[f"mean {word}"] = (table[names].mean(axis=1, skipna=False), direction)
    if "gap_to_union" in table and table["gap_to_union"].notna().any():
        columns["gap to union"] = (table["gap_to_union"], -1)
    return columns


def _cells(
    values: pd.Series[float], direction: int, signed: bool, rows: pd.Series[bool]
) -> list[Cell]:
    """The column's cells. The best among `rows` is marked, and every value that prints like it."""
    shown = values[rows].dropna().round(2)
    best = math.nan
    if shown.nunique() > 1 and direction:
        best = float(shown.min() if direction < 0 else shown.max())
    return [
        Cell(loss_text(value, signed), value, bool(row) and round(value, 2) == best)
        for value, row in zip(values.astype(float).tolist(), rows.tolist(), strict=True)
    ]


def _effort_cells(table: pd.DataFrame) -> dict[str, list[Cell]]:
    columns = {}
    if table["realised_replay"].notna().any():
        shares = table["realised_replay"].tolist()
        columns["realised replay"] = [Cell(share_text(share), share) for share in shares]
    if "tokens_to_union" in table:
        reached = table["tokens_to_union"].tolist()
        columns["tokens to union"] = [Cell(_count(tokens), tokens) for tokens in reached]
    columns["tokens"] = [Cell(tokens_text(t) if t else "–", t) for t in table["tokens"].tolist()]
    return columns


def _count(tokens: float) -> str:
    return "–" if math.isnan(tokens) else tokens_text(tokens)


def paper_table(table: pd.DataFrame, unit: str = "loss", effort: bool = True) -> PaperTable:
    """The table for people. `unit`: "loss" (nats/token) or "bits_per_byte" (losses only)."""
    rows = ~table["kind"].isin(BASELINES)
    cells = {
        title: _cells(values, direction, False, rows)
        for title, (values, direction) in _loss_columns(table, unit).items()
    }
    if unit == "loss":
        for title, (values, direction) in _change_columns(table).items():
            cells[title] = _cells(values, direction, True, rows)
    if effort:
        cells |= _effort_cells(table)
    return _lined(table, cells)


def _lined(table: pd.DataFrame, cells: dict[str, list[Cell]]) -> PaperTable:
    columns = list(cells.values())
    lines = tuple(
        Line(str(row.recipe), str(row.kind), str(row.status), tuple(c[place] for c in columns))
        for place, row in enumerate(table[["recipe", "kind", "status"]].itertuples())
    )
    return PaperTable(tuple(cells), lines)


def _recovery_cells(table: pd.DataFrame, corpus: str) -> list[Cell]:
    """Tokens, or "never" where a loss that rose did not come back."""
    nobody = pd.Series(math.nan, index=table.index)
    tokens = table.get(f"recovery_tokens/{corpus}", nobody)
    rose = table[f"spike/{corpus}"] > 0
    return [
        Cell("never" if up and math.isnan(count) else _count(count), count)
        for up, count in zip(rose.tolist(), tokens.tolist(), strict=True)
    ]


def transfer_table(table: pd.DataFrame) -> PaperTable:
    """What stages do to each other: transfer, and the last hand-off's spikes with their recovery.

    Columns that no recipe has a value for are left out. Recovery is in tokens, the rest in
    nats/token. A branch off an earlier stage was at another hand-off: it is shown, but never marked
    as the best.
    """
    rows = ~table["kind"].isin(BASELINES)
    rows &= table[_of_the_sweep(table, "forgetting")].notna().all(axis=1)
    cells: dict[str, list[Cell]] = {}
    for name in ("backward_transfer", "forward_transfer"):
        if name in table:
            cells[name.replace("_", " ")] = _cells(table[name], 1, True, rows)
    for name in [name for name in table.columns if name.startswith("spike/")]:
        corpus = name.removeprefix("spike/")
        cells[f"spike {corpus}"] = _cells(table[name], -1, True, rows)
        cells[f"recovery {corpus}"] = _recovery_cells(table, corpus)
    return _lined(table, cells)


def _styled(line: Line, cell: Cell) -> str:
    if cell.best:
        return f"[bold]{cell.text}[/bold]"
    return f"[dim]{cell.text}[/dim]" if line.is_baseline else cell.text


def print_results(table: pd.DataFrame, console: Console) -> None:
    """Print the table: losses in nats/token, the best of each column bold, baselines dim."""
    paper = paper_table(table, effort=False)
    drawn = Table(caption="validation loss in nats/token; bold: best of the sweep", box=None)
    drawn.add_column("recipe", overflow="fold", max_width=34)
    for title in paper.columns:
        drawn.add_column(escape(title), justify="right", overflow="fold")
    for line in paper.lines:
        name = escape(line.recipe)
        if line.status != "finished":
            name += f" [yellow]({escape(line.status)})[/yellow]"
        drawn.add_row(name, *(_styled(line, cell) for cell in line.cells))
    console.print(drawn)


def statuses(table: pd.DataFrame) -> Sequence[tuple[str, str, str]]:
    """(recipe, state, status) of each line, for those who want to train on from a state."""
    columns = table[["recipe", "state", "status"]].astype(str)
    return list(columns.itertuples(index=False, name=None))
