"""The results as the paper prints them: recipe, loss per corpus, average, forgetting, adaptation.

`paper_table` says what stands in each cell and which cells are best; the terminal and the page
only differ in how they draw it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raycl.results.outcome import BASELINES
from raycl.results.report.cells import Cell, Line, PaperTable, Style
from raycl.results.report.number_text import loss_text, share_text, tokens_text
from raycl.results.report.over_seeds import bold_text, over_seeds

HELD_OUT = "held out only"
"""In a column's title: no stage trains on the corpus, so that it is in no average."""


def _loss_columns(table: pd.DataFrame, unit: str) -> dict[str, tuple[pd.Series[float], int]]:
    """Title -> (numbers, direction): -1 where less is better, 1 where more is, 0 where neither.

    Corpora that are in no average stand behind it.
    """
    columns: dict[str, tuple[pd.Series[float], int]] = {}
    losses = [name for name in table.columns if name.startswith(f"{unit}/")]
    apart = [name for name in losses if not _is_averaged(table, name.removeprefix(f"{unit}/"))]
    for name in losses:
        if name not in apart:
            columns[name.removeprefix(f"{unit}/")] = (table[name], -1)
    average = {"loss": "average", "bits_per_byte": "average_bits_per_byte"}[unit]
    if losses and average in table:
        columns["AVG"] = (table[average], -1 if averages_are_alike(table) else 0)
    for name in apart:
        columns[f"{name.removeprefix(f'{unit}/')} ({HELD_OUT})"] = (table[name], -1)
    return columns


def _is_averaged(table: pd.DataFrame, corpus: str) -> bool:
    """Whether the corpus is in some average. Tables of format 1 do not tell: there, all are."""
    weights = table.get(f"weight/{corpus}")
    return weights is None or bool((weights > 0).any())


def averages_are_alike(table: pd.DataFrame) -> bool:
    """Whether the recipes' averages are over the same corpora with the same weights."""
    names = [name for name in table.columns if name.startswith("weight/")]
    return len(table.loc[~table["kind"].isin(BASELINES), names].dropna().drop_duplicates()) <= 1


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
        corpora = [name.removeprefix(f"{word}/") for name in _of_the_sweep(table, word)]
        averaged = [corpus for corpus in corpora if _is_averaged(table, corpus)]
        alone = corpora
        if len(averaged) > 1:
            columns[f"mean {word}"] = (_mean_change(table, word, averaged), direction)
            alone = [corpus for corpus in corpora if corpus not in averaged]
        for corpus in alone:
            columns[f"{word} {corpus}"] = (table[f"{word}/{corpus}"], direction)
    if "gap_to_union" in table and table["gap_to_union"].notna().any():
        columns["gap to union"] = (table["gap_to_union"], -1)
    return columns


def _mean_change(table: pd.DataFrame, word: str, corpora: Sequence[str]) -> pd.Series[float]:
    """The mean over the corpora, each with its weight in the average; NaN where one is missing."""
    nothing = pd.Series(1.0, index=table.index)
    weights = {corpus: table.get(f"weight/{corpus}", nothing) for corpus in corpora}
    total = sum(weights.values(), start=0 * nothing)
    parts = [table[f"{word}/{corpus}"] * weights[corpus] / total for corpus in corpora]
    return sum(parts, start=0 * nothing)


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


_EFFORT = {"realised replay": Style(share_text)}


def paper_table(table: pd.DataFrame, unit: str = "loss", effort: bool = True) -> PaperTable:
    """The table for people. `unit`: "loss" (nats/token) or "bits_per_byte" (losses only)."""
    rows = ~table["kind"].isin(BASELINES)
    cells: dict[str, list[Cell]] = {}
    styles = dict(_EFFORT)
    changes = _change_columns(table) if unit == "loss" else {}
    for title, (values, direction) in _loss_columns(table, unit).items():
        cells[title] = _cells(values, direction, False, rows)
        styles[title] = Style(loss_text, direction, spread=True)
    for title, (values, direction) in changes.items():
        cells[title] = _cells(values, direction, True, rows)
        styles[title] = Style(partial(loss_text, signed=True), direction, spread=True)
    if unit == "loss" and "anneal_tokens" in table:
        extra = table["anneal_tokens"].tolist()
        cells["anneal's tokens"] = [Cell(_extra(tokens), tokens) for tokens in extra]
        styles["anneal's tokens"] = Style(_extra)
    if effort:
        cells |= _effort_cells(table)
    return _lined(table, cells, styles)


def _extra(tokens: float) -> str:
    return "–" if math.isnan(tokens) else f"+{tokens_text(tokens)}"


def _lined(
    table: pd.DataFrame, cells: dict[str, list[Cell]], styles: dict[str, Style]
) -> PaperTable:
    columns = list(cells.values())
    lines = tuple(
        Line(str(row.recipe), str(row.kind), str(row.status), tuple(c[place] for c in columns))
        for place, row in enumerate(table[["recipe", "kind", "status"]].itertuples())
    )
    return PaperTable(tuple(cells), lines, tuple(styles.get(t, Style(_count)) for t in cells))


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
    styles: dict[str, Style] = {}
    signed = partial(loss_text, signed=True)
    for name in ("backward_transfer", "forward_transfer"):
        if name in table:
            title = name.replace("_", " ")
            cells[title] = _cells(table[name], 1, True, rows)
            styles[title] = Style(signed, 1, spread=True)
    for name in [name for name in table.columns if name.startswith("spike/")]:
        corpus = name.removeprefix("spike/")
        cells[f"spike {corpus}"] = _cells(table[name], -1, True, rows)
        styles[f"spike {corpus}"] = Style(signed, -1, spread=True)
        cells[f"recovery {corpus}"] = _recovery_cells(table, corpus)
    return _lined(table, cells, styles)


def _styled(line: Line, cell: Cell) -> str:
    if cell.best:
        return f"[bold]{cell.text}[/bold]"
    return f"[dim]{cell.text}[/dim]" if line.is_baseline else cell.text


def rows_text(table: pd.DataFrame) -> str:
    """On how many validation rows the losses are: ` on 64 rows`; empty where it is not known."""
    prefix = "validation_rows/"
    names = [name for name in table.columns if name.startswith(prefix)]
    counts = {name.removeprefix(prefix): sorted(set(table[name].dropna())) for name in names}
    texts = {c: " and ".join(f"{rows:.0f}" for rows in found) for c, found in counts.items()}
    if len(set(texts.values())) == 1:
        return f" on {next(iter(texts.values()))} validation rows of each corpus"
    if not texts:
        return ""
    return " on validation rows: " + ", ".join(f"{text} of {c}" for c, text in texts.items())


def print_results(table: pd.DataFrame, console: Console, notes: Sequence[str] = ()) -> None:
    """Print the table: losses in nats/token, the best of each column bold, baselines dim.

    With seeds it has one line a setting. `notes` are sentences that are printed below it.
    """
    paper = over_seeds(table, paper_table(table, effort=False))
    caption = f"validation loss in nats/token{rows_text(table)}; {bold_text(table)}"
    drawn = Table(caption=caption, box=None)
    drawn.add_column("recipe", overflow="fold", max_width=34)
    for title in paper.columns:
        drawn.add_column(escape(title), justify="right", overflow="fold")
    for line in paper.lines:
        name = escape(line.recipe)
        if line.status != "finished":
            name += f" [yellow]({escape(line.status)})[/yellow]"
        drawn.add_row(name, *(_styled(line, cell) for cell in line.cells))
    console.print(drawn)
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)
