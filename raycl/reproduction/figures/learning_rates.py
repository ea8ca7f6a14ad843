"""The learning rates that were used: re-warmed and constant ones, infinite ones with branches."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.evidence import Pick
from raycl.reproduction.evidence.experiment_names import HIGHEST, LOWEST, MIDDLE, STAGES
from raycl.reproduction.evidence.picks import constant_min, cosine_of, warm_constant
from raycl.reproduction.evidence.shifts import SHIFTS
from raycl.reproduction.figures.bands import Stroke, rate_band
from raycl.reproduction.figures.colours import CONSTANT_RATE, WARMED_CONSTANT
from raycl.reproduction.figures.panels import Panel, draw_panels
from raycl.reproduction.figures.trunks_and_branches import hand_offs, with_branches
from raycl.results.report.canvas import Drawing
from raycl.results.report.palette import INK

_ARMS: dict[str, tuple[Pick, str]] = {
    "highest max LR": (cosine_of(HIGHEST), "#7f2704"),
    "warm-up, then constant": (warm_constant(), WARMED_CONSTANT),
    "middle max LR": (cosine_of(MIDDLE), "#d9541e"),
    "lowest max LR": (cosine_of(LOWEST), "#f2a33c"),
    "constant at min LR": (constant_min(), CONSTANT_RATE),
}


def draw_learning_rates(evidence: Evidence) -> Drawing | None:
    """Schedules of two stages above, of three below; None where neither was run."""
    panels = []
    two_stages = next((s.max_lr for s in SHIFTS if evidence.seeds(s.max_lr)), SHIFTS[0].max_lr)
    for strokes, experiment in (
        (_two_stages(evidence, two_stages), two_stages),
        (with_branches(evidence, rate_band), STAGES),
    ):
        if strokes:
            places = hand_offs(evidence, experiment)
            panels.append(Panel("learning rate", strokes, hand_offs=places, rates=True))
    if not panels:
        return None
    caption = "The rates that were used. Short dashes: a branch that anneals the plateau."
    figure = draw_panels(panels, "tokens trained on", shared=False)
    return Drawing("schedules", "Learning-rate schedules", caption, figure)


def _two_stages(evidence: Evidence, experiment: str) -> list[Stroke]:
    found: list[Stroke] = []
    start = next(iter(hand_offs(evidence, experiment)), 0.0)
    for name, (pick, colour) in _ARMS.items():
        band = rate_band(evidence.picked(experiment, pick))
        if band is None:
            continue
        if not found and start:  # the first stage is common to all, so it is drawn once
            found.append(Stroke("", band.until(start), INK))
        found.append(Stroke(name, band.after(start), colour))
    return found
