"""Figures of the last stage in two panels: the loss on D0 above, on D1 below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.evidence import Pick
from raycl.reproduction.evidence.picks import of_kind, single
from raycl.reproduction.evidence.shifts import Shift
from raycl.reproduction.figures.bands import Stroke, level_band, loss_band
from raycl.reproduction.figures.panels import Panel, draw_panels
from raycl.results.metrics import Weights
from raycl.results.report.canvas import Drawing
from raycl.results.report.palette import LOSS, QUIET

DASHED = (0, (5, 1.5))
_CAPTION = "Line: mean over seeds; band: their range."


@dataclass(frozen=True)
class Arm:
    """A recipe that a figure shows: its name there, how it is found and how it is drawn."""

    name: str
    pick: Pick
    colour: str
    line: object = "-"


def strokes_of(
    evidence: Evidence, experiment: str, arms: Sequence[Arm], weights: Weights
) -> list[Stroke]:
    """The mean loss on the corpora in the last stage, for every arm that was run."""
    found = []
    for arm in arms:
        band = loss_band(evidence.picked(experiment, arm.pick), weights)
        if band is not None:
            found.append(Stroke(arm.name, band, arm.colour, arm.line))
    return found


def old_and_new(
    evidence: Evidence, shift: Shift, experiment: str, arms: Sequence[Arm]
) -> list[Panel]:
    """A panel for D0 and one for D1, each with the level at which the shift's union ended."""
    corpora = evidence.corpora(experiment)
    panels = []
    # The first steps on new data fall so far that they would press all differences together.
    for part, names, settled in (("D0", corpora.first, 0.0), ("D1", corpora.last, 0.2)):
        strokes = strokes_of(evidence, experiment, arms, names)
        if strokes:
            strokes += _union(evidence, shift, names, strokes[0])
            panels.append(Panel(LOSS, strokes, f"{part}: {', '.join(names)}", settled))
    return panels


def _union(evidence: Evidence, shift: Shift, weights: Weights, beside: Stroke) -> list[Stroke]:
    """Where the union ended, as a level as long as `beside`; empty where it was not run."""
    found = dict(evidence.picked(shift.union, single()))
    found |= evidence.picked(shift.replay, of_kind("union"))
    level = level_band(found, weights, beside.band.tokens)
    if level is None:
        return []
    return [Stroke("union, at its end", level, QUIET, (0, (4, 2)))]


def drawing(name: str, title: str, panels: Sequence[Panel]) -> Drawing | None:
    """The figure of these panels; None where there is none to draw."""
    if not panels:
        return None
    return Drawing(name, title, _CAPTION, draw_panels(panels, "tokens of the second stage"))
