"""What stands in the cells of a table of results, before anybody draws it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from raycl.results.outcome import BASELINES


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
class Style:
    """How a column's numbers are written and compared."""

    write: Callable[[float], str]
    direction: int = 0
    """-1 where less is better, 1 where more is, 0 where neither."""
    spread: bool = False
    """Whether the standard deviation over seeds stands beside a mean."""


@dataclass(frozen=True)
class PaperTable:
    """Column titles (after the recipe) and lines; `styles` has one for each column, or none."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    styles: tuple[Style, ...] = ()
