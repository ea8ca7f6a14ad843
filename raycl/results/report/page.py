"""One page for a sweep: what it found, the table, the figures, the facts. It needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from raycl.results.mean_outcomes import mean_outcomes
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.canvas import Drawing, png, svg
from raycl.results.report.cells import PaperTable
from raycl.results.report.figures import draw_figures
from raycl.results.report.headline import headline
from raycl.results.report.notes import notes
from raycl.results.report.over_seeds import bold_text, over_seeds
from raycl.results.report.palette import GRID, INK, PAPER, QUIET, looks
from raycl.results.report.table import paper_table, rows_text, statuses, transfer_table
from raycl.results.table import results_table
from raycl.storage import Storage, layout


def write_report(
    storage: Storage,
    sweep: str,
    title: str,
    outcomes: Sequence[RecipeOutcome],
    facts: Mapping[str, object],
    said: str | None = None,
) -> str:
    """Write the page and the figures of a sweep; returns the path of the page.

    `said` is its headline; by default the numbers that `headline` finds.

    `facts` are printed under the figures: a mapping becomes a list of terms, a text of several
    lines (or one that begins with "$ ") becomes a block to copy.
    """
    drawings = draw_figures(mean_outcomes(outcomes))
    for drawing in drawings:
        storage.write_bytes(layout.sweep_figure(sweep, drawing.name), png(drawing.figure))
    page = render(title, outcomes, drawings, facts, said)
    path = layout.sweep_report(sweep)
    # The facts may name a path whose bytes are no text.
    storage.write_bytes(path, page.encode("utf-8", "backslashreplace"))
    return path


def render(
    title: str,
    outcomes: Sequence[RecipeOutcome],
    drawings: Sequence[Drawing],
    facts: Mapping[str, object],
    said: str | None = None,
) -> str:
    """The page as HTML. The template escapes everything except our own drawings."""
    means = mean_outcomes(outcomes)
    tones = _tones(means)
    variables = {light: name for name, (light, _) in tones.items()}
    table = results_table(outcomes) if outcomes else pd.DataFrame()
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=title,
        headline=headline(outcomes, table) if said is None else said,
        notes=notes(outcomes),
        rows=rows_text(table),
        bold=bold_text(table),
        anneals="anneal_tokens" in table,
        tables=_tables(table) if outcomes else {},
        swatches={label: variables[look.colour] for label, look in looks(means).items()},
        figures=[
            (drawing, Markup(svg(drawing.figure, f"figure{number}", variables)))
            for number, drawing in enumerate(drawings)
        ],
        states=statuses(table) if outcomes else [],
        facts=facts,
        tones=tones,
    )


def _tables(table: pd.DataFrame) -> dict[str, PaperTable]:
    tables = {
        "nats/token": paper_table(table),
        "bits/byte": paper_table(table, unit="bits_per_byte", effort=False),
        "transfer and hand-off": transfer_table(table),
    }
    return {name: over_seeds(table, shown) for name, shown in tables.items() if shown.columns}


def _tones(outcomes: Sequence[RecipeOutcome]) -> dict[str, tuple[str, str]]:
    """CSS variable -> (colour on light paper, colour on dark paper)."""
    tones = {"--ink": INK, "--quiet": QUIET, "--grid": GRID, "--paper": PAPER}
    taken = {light for light, _ in tones.values()}
    for look in looks(outcomes).values():
        if look.colour not in taken:
            taken.add(look.colour)
            tones[f"--tone{len(tones)}"] = (look.colour, look.dark)
    return tones
