"""What a table of the document is, its two usual forms, and its Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from raycl.reproduction.claims.spread import spread_of
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.evidence import Corpora, Measure, Pick
from raycl.reproduction.evidence.measures import average, loss_new, loss_old, lost_old
from raycl.reproduction.evidence.paired import Values
from raycl.reproduction.evidence.shifts import Shift, baseline
from raycl.reproduction.tables.paper_numbers import PaperRow
from raycl.results.report.number_text import loss_text

MISSING = "–"
BASELINE_NAMES = {"union": "union", "previous": "D0 only", "scratch": "D1 only, from scratch"}
"""Kind of a baseline -> how the tables call it."""


@dataclass(frozen=True)
class Table:
    """Title with the paper's number, a sentence of explanation, column titles, lines of texts."""

    title: str
    note: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Row:
    """One recipe: its name, how to measure it, and the paper's line (None: the paper has none)."""

    name: str
    measured: Callable[[Measure], Values]
    paper: PaperRow | None = None


def measured(evidence: Evidence, experiment: str, pick: Pick) -> Callable[[Measure], Values]:
    """How to measure the recipe that `pick` chooses in an experiment."""
    return lambda measure: evidence.paired(experiment, measure, pick)


def measured_baseline(
    evidence: Evidence, shift: Shift, kind: str, corpora: Corpora | None = None
) -> Callable[[Measure], Values]:
    """How to measure a shift's baseline of this kind."""
    return lambda measure: baseline(evidence, shift, kind, measure, corpora)


def ours_text(values: Values, signed: bool = False) -> str:
    """`2.171 ± 0.012`, mean and standard deviation over seeds; the mean alone for one seed.

    It has one place more than the paper prints, as some of the paper's differences are 0.01.
    """
    spread = spread_of(values)
    if spread is None:
        return MISSING
    mean = f"{spread.mean:+.3f}".replace("-", "−") if signed else f"{spread.mean:.3f}"
    return mean if spread.seeds == 1 else f"{mean} ± {spread.deviation:.3f}"


_PAPER_COLUMNS: Mapping[str, tuple[Measure, Callable[[PaperRow], float]]] = {
    "D0": (loss_old, lambda row: row.old),
    "D1": (loss_new, lambda row: row.new),
    "AVG": (average, lambda row: row.average),
    "forgetting": (lost_old, lambda row: row.forgetting),
}


def paper_table(title: str, note: str, rows: Sequence[Row]) -> Table:
    """D0, D1, AVG and forgetting, each with the paper's number and ours side by side."""
    columns = [f"{name} {whose}" for name in _PAPER_COLUMNS for whose in ("paper", "ours")]
    lines = []
    for row in rows:
        line = [row.name]
        for name, (measure, of_paper) in _PAPER_COLUMNS.items():
            signed = name == "forgetting"
            paper = of_paper(row.paper) if row.paper else math.nan
            line += [loss_text(paper, signed), ours_text(row.measured(measure), signed)]
        lines.append(tuple(line))
    return Table(title, note, ("run", *columns), tuple(lines))


def own_table(title: str, note: str, columns: Mapping[str, Measure], rows: Sequence[Row]) -> Table:
    """Our numbers alone, where the paper shows a figure and prints no number.

    A column whose title starts with a `+` is a difference and printed with its sign.
    """
    lines = [
        (row.name, *(ours_text(row.measured(m), name[0] == "+") for name, m in columns.items()))
        for row in rows
    ]
    return Table(title, note, ("run", *(name.lstrip("+") for name in columns)), tuple(lines))


def markdown(table: Table) -> str:
    """The table as GitHub's Markdown, numbers to the right, with its title as a heading."""
    rule = [":--", *("--:" for _ in table.columns[1:])]
    lines = [table.columns, rule, *table.lines]
    body = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    return f"### {table.title}\n\n{table.note}\n\n{body}\n"
