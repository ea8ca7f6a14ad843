"""The report of a sweep: the dashboard's page with all that was found, and figures as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from raycl.errors import InputError
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.results.mean_outcomes import mean_outcomes
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.canvas import png
from raycl.results.report.figures import draw_figures
from raycl.results.stored_states import StoredStates
from raycl.storage import Storage, layout
from raycl.sweep.description import merges_left
from raycl.sweep.page_nodes import node_details, page_nodes
from raycl.watch.node_curves import MOST_POINTS_OF_A_FILE, thinned_to
from raycl.watch.page.render import render
from raycl.watch.snapshot import SweepFacts, snapshot, sweep_line


def write_report(
    storage: Storage,
    known: SweepFacts,
    states: StoredStates,
    planned: PlannedSweep,
) -> str:
    """Write the page of a sweep, and its figures for papers; returns the path of the page.

    `states` are the complete ones, which the results were read from.
    """
    write_figures(storage, known.name, known.outcomes)
    watched = page_nodes(storage, known.name, states, are_whole=True)
    left = _merges_left(storage, known.name, states) if watched.lines else []
    line = sweep_line(known, watched.lines, left)
    details = node_details(watched.lines, states, planned, storage)
    made = {
        **snapshot(storage.url, datetime.now(UTC), [line], watched.damaged),
        "curves": thinned_to(details["curves"], MOST_POINTS_OF_A_FILE),
        "logs": details["logs"],
    }
    path = layout.sweep_report(known.name)
    storage.write_bytes(path, render(made))
    return path


def write_figures(storage: Storage, sweep: str, outcomes: Sequence[RecipeOutcome]) -> None:
    """Write the figures of a sweep as pictures."""
    for drawing in draw_figures(mean_outcomes(outcomes)):
        storage.write_bytes(layout.sweep_figure(sweep, drawing.name), png(drawing.figure))


def _merges_left(storage: Storage, sweep: str, states: StoredStates) -> list[str]:
    try:
        return merges_left(storage, sweep, states.names)
    except (FileNotFoundError, InputError):  # the page says what is wrong with the tree
        return []
