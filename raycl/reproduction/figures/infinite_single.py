"""Fig. 9: one stage under a cosine, two infinite schedules and a constant rate."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import CONSTANT, COSINE, INFINITE, SINGLE
from raycl.reproduction.evidence.picks import in_arm
from raycl.reproduction.figures.bands import Stroke, loss_band
from raycl.reproduction.figures.colours import ARM_COLOURS, ARM_LINES
from raycl.reproduction.figures.panels import Panel, draw_panels
from raycl.results.report.canvas import Drawing
from raycl.results.report.palette import LOSS


def draw_single(evidence: Evidence) -> Drawing | None:
    """The loss over the stage; None where nothing was run."""
    corpora = evidence.corpora(SINGLE).all
    strokes = []
    for arm in (COSINE, *INFINITE, CONSTANT):
        band = loss_band(evidence.picked(SINGLE, in_arm(arm)), corpora)
        if band is not None:
            strokes.append(Stroke(arm, band, ARM_COLOURS[arm], ARM_LINES[arm]))
    if not strokes:
        return None
    figure = draw_panels([Panel(LOSS, strokes, settled=0.5)], "tokens trained on")
    caption = "Line: mean over seeds; band: their range. What lies far above is cut off."
    return Drawing(
        "infinite-single", "One run: infinite schedules against the cosine", caption, figure
    )
