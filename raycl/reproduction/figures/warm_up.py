"""Fig. 3: the loss in the last stage by length of the warm-up."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import WARMUPS
from raycl.reproduction.evidence.picks import warmup
from raycl.reproduction.evidence.shifts import Shift, percent
from raycl.reproduction.figures.colours import ordered_colours
from raycl.reproduction.figures.two_panels import Arm, drawing, old_and_new
from raycl.results.report.canvas import Drawing


def draw_warmups(evidence: Evidence, shift: Shift) -> Drawing | None:
    """The figure of one shift; None where nothing of it was run."""
    colours = ordered_colours(len(WARMUPS), rates=True)
    arms = [
        Arm(f"warm-up {percent(share)}", warmup(share), colour)
        for share, colour in zip(WARMUPS, colours, strict=True)
    ]
    panels = old_and_new(evidence, shift, shift.warmup, arms)
    return drawing(f"warm-up-{shift.name}", f"Length of the warm-up, {shift.name} shift", panels)
