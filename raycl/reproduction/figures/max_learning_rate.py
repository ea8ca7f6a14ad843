"""The loss in the last stage by max learning rate (the recipes of Table 12)."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import RATES
from raycl.reproduction.evidence.picks import constant_min, cosine_of, warm_constant
from raycl.reproduction.evidence.shifts import Shift
from raycl.reproduction.figures.colours import CONSTANT_RATE, WARMED_CONSTANT, ordered_colours
from raycl.reproduction.figures.two_panels import DASHED, Arm, drawing, old_and_new
from raycl.reproduction.tables.max_learning_rate import rate_name
from raycl.results.report.canvas import Drawing


def cosine_arms(evidence: Evidence, experiment: str) -> list[Arm]:
    """The three cosines of an experiment by rising max learning rate, which names them."""
    return [
        Arm(rate_name(evidence, experiment, name, ""), cosine_of(place), colour)
        for (name, place), colour in zip(
            RATES.items(), ordered_colours(len(RATES), rates=True), strict=True
        )
    ]


def draw_max_lr(evidence: Evidence, shift: Shift) -> Drawing | None:
    """The figure of one shift; None where nothing of it was run."""
    arms = [
        Arm("constant at min LR", constant_min(), CONSTANT_RATE, DASHED),
        *cosine_arms(evidence, shift.max_lr),
        Arm("warm-up, then constant", warm_constant(), WARMED_CONSTANT, DASHED),
    ]
    panels = old_and_new(evidence, shift, shift.max_lr, arms)
    return drawing(f"max-lr-{shift.name}", f"Max learning rate, {shift.name} shift", panels)
