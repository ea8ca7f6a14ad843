"""The loss in the last stage by replay share (the recipes of Table 2)."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.picks import replay
from raycl.reproduction.evidence.shifts import Shift, percent
from raycl.reproduction.figures.colours import ordered_colours
from raycl.reproduction.figures.two_panels import Arm, drawing, old_and_new
from raycl.reproduction.tables import paper_numbers as paper
from raycl.results.report.canvas import Drawing


def draw_replay(evidence: Evidence, shift: Shift) -> Drawing | None:
    """The figure of one shift; None where nothing of it was run."""
    shares = list(paper.REPLAY[shift.name])
    arms = [
        Arm(f"replay {percent(share)}", replay(share), colour)
        for share, colour in zip(shares, ordered_colours(len(shares)), strict=True)
    ]
    panels = old_and_new(evidence, shift, shift.replay, arms)
    return drawing(f"replay-{shift.name}", f"Replay, {shift.name} shift", panels)
