"""Shows how often a recipe repeats its corpora at a scale, beside how often at full size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from raycl.recipe.definition import scaling_of
from raycl.recipe.same_repetition import Pilot, Scaling, pilot_texts, pilots
from raycl.recipe.sweep_plan import PlannedSweep

_OWN = ("sweep", "anneal")
"""Recipes that are no baselines."""


@dataclass(frozen=True)
class Pilots:
    """What the recipes of a sweep at a scale read, and what the scale does to them."""

    found: tuple[Pilot, ...]
    scaling: Scaling


def pilots_of(sweep: PlannedSweep, recipe: Path, overrides: Sequence[str], scale: str) -> Pilots:
    """The repetition of a planned sweep at a scale, without its baselines. Raises InputError."""
    scaling = scaling_of(recipe, overrides, scale)
    labels = [v.label for v in sweep.definition.variants if v.kind in _OWN]
    tokens = {
        name: manifest.train.rows * (manifest.row_length - 1)
        for name, manifest in sweep.manifests.items()
    }
    chains = (sweep.trainings[label].chain for label in labels)
    return Pilots(tuple(pilots(chains, scaling, tokens)), scaling)


def print_pilots(pilot: Pilots, console: Console) -> None:
    """Print a line for each stage and corpus, and what to know of them."""
    table = Table(box=None, pad_edge=False)
    for column in ("read by the end of", "corpus", "times here", "at full size"):
        table.add_column(column, justify="left" if len(table.columns) < 2 else "right")
    for one in pilot.found:
        table.add_row(one.stage, one.corpus, _times(one.here), _times(one.full))
    console.print(table)
    for sentence in pilot_texts(pilot.found, pilot.scaling):
        console.print(sentence, markup=False, soft_wrap=True)


def _times(epochs: float | None) -> str:
    return "?" if epochs is None else f"{epochs:.3g}"
