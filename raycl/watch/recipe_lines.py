"""The recipes of a sweep and their settings, from a results table."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from raycl.results.outcome import ROWS, RecipeOutcome
from raycl.results.settings import has_seeds
from raycl.results.uncertainty.intervals import mean_interval
from raycl.watch.columns import Shown
from raycl.watch.contract import NodeLine, RecipeLine, SettingLine, Spread
from raycl.watch.plain import finite

Field = float | str | None


def recipe_lines(
    table: pd.DataFrame,
    shown: Shown,
    fields: Sequence[str],
    outcomes: Sequence[RecipeOutcome],
    nodes: Iterable[NodeLine],
) -> list[RecipeLine]:
    """A line for each recipe of the table, in its order.

    `outcomes` may be empty, where the table was stored and nothing more is known.
    """
    by_label = {outcome.label: outcome for outcome in outcomes}
    along = _nodes_along(nodes)
    lines = []
    for row in table.to_dict("records"):
        label = str(row["recipe"])
        outcome = by_label.get(label)
        trained = outcome.merged_from if outcome and outcome.merged_from else label
        lines.append(
            RecipeLine(
                label=label,
                setting=(outcome.setting if outcome else str(row.get("setting") or "")) or label,
                seed=outcome.seed if outcome else int(finite(row.get("seed")) or 0),
                kind=str(row["kind"]),
                status=str(row["status"]),
                state=str(row.get("state") or ""),
                fields={name: _field(row.get(name)) for name in fields},
                values=shown.values.get(label, {}),
                standard_errors=_standard_errors(row, shown),
                nodes=along.get(trained, []),
                rows=_rows(outcome) if outcome else {},
                best=[] if has_seeds(table) else shown.best.get(label, []),
            )
        )
    return lines


def _standard_errors(row: Mapping[Hashable, Any], shown: Shown) -> dict[str, float]:
    """Of each shown loss; bits per byte are the loss times a number that is no measurement."""
    found: dict[str, float] = {}
    for column in shown.columns:
        name = column["name"]
        kind, _, corpus = name.partition("/")
        error, loss = (finite(row.get(f"{of}/{corpus}")) for of in ("standard_error", "loss"))
        value = finite(row.get(name))
        if kind in ("loss", "bits_per_byte") and error is not None and value and loss:
            found[name] = error * value / loss
    return found


def _nodes_along(nodes: Iterable[NodeLine]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in sorted(nodes, key=lambda node: node["first_step"]):
        for label in node["recipes"]:
            found.setdefault(label, []).append(node["name"])
    return found


def _field(value: object) -> Field:
    """A swept value: a number, a text, or None where the recipe has none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return finite(value)
    return str(value)


def _rows(outcome: RecipeOutcome) -> dict[str, int]:
    names = [name for name in outcome.history.columns if name.startswith(ROWS)]
    sums = {name.removeprefix(ROWS): float(outcome.history[name].sum()) for name in names}
    return {corpus: int(count) for corpus, count in sums.items() if count}


def setting_lines(recipes: Sequence[RecipeLine], shown: Shown) -> list[SettingLine]:
    """A line for each setting, with the spread over its seeds; empty without several seeds."""
    groups: dict[str, list[RecipeLine]] = {}
    for line in recipes:
        groups.setdefault(line["setting"], []).append(line)
    if all(len(group) == 1 for group in groups.values()):
        return []
    return [
        SettingLine(
            setting=setting,
            kind=group[0]["kind"],
            fields=group[0]["fields"],
            seeds=len(group),
            values={
                column["name"]: _spread([line["values"] for line in group], column["name"])
                for column in shown.columns
            },
            best=shown.best.get(setting, []),
        )
        for setting, group in groups.items()
    ]


def _spread(values: Sequence[Mapping[str, float | None]], column: str) -> Spread:
    known = [value for line in values if (value := line.get(column)) is not None]
    found = mean_interval(known)
    return Spread(
        mean=finite(found.mean),
        sd=finite(found.sd),
        low=finite(found.low),
        high=finite(found.high),
        n=found.n,
    )
