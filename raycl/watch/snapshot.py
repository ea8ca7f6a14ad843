"""The snapshot of a storage, put together from what was read of its sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from raycl.advice.advice import Advice
from raycl.results.objective import objective_text
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.notes import notes
from raycl.results.report.table import rows_text
from raycl.results.search_results import compared, objective_of
from raycl.version import VERSION
from raycl.watch.columns import shown_columns
from raycl.watch.contract import (
    FORMAT,
    AdvicePoint,
    AdviceText,
    NodeLine,
    Objective,
    Snapshot,
    SweepLine,
)
from raycl.watch.node_lines import summary
from raycl.watch.plain import moment
from raycl.watch.recipe_lines import recipe_lines, setting_lines


@dataclass(frozen=True)
class SweepFacts:
    """What was read of a sweep beside its nodes."""

    name: str
    table: pd.DataFrame | None = None
    """Its results table; None where nothing is known of its recipes."""
    outcomes: Sequence[RecipeOutcome] = ()
    """Empty where the table was stored and its recipes could not be gathered."""
    fields: Sequence[str] = ()
    """The swept fields; those that the outcomes have are added."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """As the page of a sweep shows them."""
    recipe: str = ""
    told: Sequence[str] = ()
    """Sentences on what is missing, before those that the outcomes give."""
    updated: datetime | None = None
    advice: Advice | None = None


def snapshot(
    storage: str, read_at: datetime, sweeps: Sequence[SweepLine], damaged: Sequence[str] = ()
) -> Snapshot:
    """What is known of a storage; `damaged` are sentences on what could not be read."""
    return Snapshot(
        format=FORMAT,
        storage=storage,
        read_at=moment(read_at) or "",
        version=VERSION,
        live=any(node["status"] == "training" for sweep in sweeps for node in sweep["nodes"]),
        damaged=list(dict.fromkeys(damaged)),
        sweeps=list(sweeps),
    )


def sweep_line(
    known: SweepFacts, nodes: Sequence[NodeLine], merges_left: Sequence[str] = ()
) -> SweepLine:
    """One sweep of the snapshot."""
    outcomes = known.outcomes
    table = known.table if known.table is not None else pd.DataFrame()
    shown = shown_columns(table)
    fields = list(dict.fromkeys([*known.fields, *(f for o in outcomes for f in o.fields)]))
    recipes = recipe_lines(table, shown, fields, outcomes, nodes) if len(table) else []
    return SweepLine(
        name=known.name,
        updated=moment(known.updated),
        headline=known.advice.headline if known.advice else "",
        notes=list(dict.fromkeys([*known.told, *notes(outcomes)])),
        facts={str(title): _fact(value) for title, value in known.facts.items()},
        recipe=known.recipe,
        summary=summary(nodes),
        fields=fields,
        measured=f"Validation loss at the end of the last stage{rows_text(table)}.",
        columns=shown.columns,
        recipes=recipes,
        settings=setting_lines(recipes, shown),
        objective=_objective(table, outcomes),
        advice=_advice(known.advice),
        nodes=list(nodes),
        merges_left=list(merges_left),
    )


def _fact(value: Any) -> dict[str, str] | str:
    if isinstance(value, Mapping):
        return {str(term): str(text) for term, text in value.items()}
    return str(value)


def _objective(table: pd.DataFrame, outcomes: Sequence[RecipeOutcome]) -> Objective | None:
    found = objective_of(outcomes)
    if found is None:
        return None
    results = compared(table, found)
    if len(found.goals) > 1:
        front = results.front
    else:
        front = [results.best] if results.best is not None else []
    columns = [f"loss/{name}" if f"loss/{name}" in table else name for name in found.goals]
    return Objective(text=objective_text(found), columns=columns, front=front)


def _advice(advice: Advice | None) -> AdviceText | None:
    if advice is None:
        return None
    points = [
        AdvicePoint(kind=point.kind, title=point.title, text=point.text) for point in advice.points
    ]
    return AdviceText(headline=advice.headline, points=points, command=advice.command)
