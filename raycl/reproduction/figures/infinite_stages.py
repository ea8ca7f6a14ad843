"""Fig. 10: three stages under infinite schedules, with the branches that anneal them."""

from __future__ import annotations

from collections.abc import Sequence

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import COSINE, STAGES
from raycl.reproduction.evidence.picks import in_arm
from raycl.reproduction.figures.bands import Band, Picked, Stroke, loss_band
from raycl.reproduction.figures.panels import Panel, draw_panels
from raycl.reproduction.figures.trunks_and_branches import hand_offs, with_branches
from raycl.results.report.canvas import Drawing
from raycl.results.report.groups import last_stage
from raycl.results.report.palette import LOSS


def draw_stages(evidence: Evidence) -> Drawing | None:
    """The loss over all stages; None where nothing was run."""
    corpora = evidence.corpora(STAGES).all

    def to_band(found: Picked) -> Band | None:
        return loss_band(found, corpora, stage_only=False)

    strokes = with_branches(evidence, to_band)
    if not strokes:
        return None
    panel = Panel(
        LOSS,
        strokes,
        settled=_first_half(evidence),
        dots=_branch_ends(strokes),
        hand_offs=hand_offs(evidence, STAGES),
    )
    caption = "Trunks as lines, with the range over seeds; dotted, with a dot at its end: the "
    caption += (
        "branch that anneals a trunk at the end of a stage. The next stage goes on unannealed."
    )
    return Drawing(
        "infinite-stages",
        "Three stages: infinite schedules against repeated cosines",
        caption,
        draw_panels([panel], "tokens trained on"),
    )


def _branch_ends(strokes: Sequence[Stroke]) -> dict[str, list[tuple[float, float]]]:
    """Colour -> the ends of the branches, which are the strokes without a name."""
    ends: dict[str, list[tuple[float, float]]] = {}
    for stroke in strokes:
        if not stroke.name:
            place = (float(stroke.band.tokens[-1]), float(stroke.band.mean[-1]))
            ends.setdefault(stroke.colour, []).append(place)
    return ends


def _first_half(evidence: Evidence) -> float:
    """Half of the first stage as a share of the whole recipe."""
    found = next(iter(evidence.picked(STAGES, in_arm(COSINE)).values()), None)
    if found is None or not found.stages:
        return 0.2
    return 0.5 * found.stages[0].last_step / last_stage(found).last_step
