"""Fig. 8: the loss on D0 while re-warming on D0 again, and while re-warming on D1."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import SAME_DATA
from raycl.reproduction.evidence.shifts import WEAK
from raycl.reproduction.figures.max_learning_rate import cosine_arms
from raycl.reproduction.figures.panels import Panel
from raycl.reproduction.figures.two_panels import drawing, strokes_of
from raycl.results.report.canvas import Drawing
from raycl.results.report.palette import LOSS


def draw_same_data(evidence: Evidence) -> Drawing | None:
    """One panel for each of the two; None where neither was run."""
    panels = []
    for experiment, title in (
        (SAME_DATA, "loss on D0 while training on D0 again"),
        (WEAK.max_lr, "loss on D0 while training on D1"),
    ):
        arms = cosine_arms(evidence, experiment)
        strokes = strokes_of(evidence, experiment, arms, evidence.corpora(experiment).first)
        if strokes:
            panels.append(Panel(LOSS, strokes, title))
    return drawing("same-data", "Re-warming on the same data, and on other data", panels)
