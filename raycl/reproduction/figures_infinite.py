"""Figures of schedules, and of the loss under infinite ones with their anneal branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from raycl.reproduction.bands import Band, Picked, Stroke, loss_band, rate_band
from raycl.reproduction.claim import SHIFTS
from raycl.reproduction.claim_schedules import CONSTANT, COSINE, INFINITE, SINGLE, STAGES
from raycl.reproduction.evidence import Evidence, Pick
from raycl.reproduction.panels import Panel, draw_panels
from raycl.reproduction.picks import (
    branches_of,
    constant_min,
    cosine_of,
    labelled,
    warm_constant,
)
from raycl.results.report.canvas import Drawing
from raycl.results.report.palette import INK, LOSS, last_stage

COLOURS = {COSINE: INK[0], INFINITE[0]: "#d9541e", INFINITE[1]: "#472d7b", CONSTANT: "#21918c"}
LINES = {COSINE: "-", INFINITE[0]: "-", INFINITE[1]: (0, (4, 3)), CONSTANT: "-"}
"""Plateaus of one height lie on each other; through the gaps of the upper the lower shows."""
DASHES = {INFINITE[0]: (0, (2, 2)), INFINITE[1]: (2, (2, 2)), COSINE: (0, (2, 2))}
ToBand = Callable[[Picked], Band | None]


def draw_schedules(evidence: Evidence) -> Drawing | None:
    """Learning rates: re-warming and constant ones above, infinite ones with branches below."""
    panels = []
    for strokes, experiment in (_two_stage(evidence), _three_stage(evidence)):
        if strokes:
            hand_offs = _hand_offs(evidence, experiment)
            panels.append(Panel("learning rate", strokes, hand_offs=hand_offs, rates=True))
    if not panels:
        return None
    caption = "The rates that were used. Short dashes: a branch that anneals the plateau."
    name, title = "schedules", "Learning-rate schedules"
    figure = draw_panels(panels, "tokens trained on", shared=False)
    return Drawing(name, title, caption, figure)


def _two_stage(evidence: Evidence) -> tuple[list[Stroke], str]:
    experiment = next((s.max_lr for s in SHIFTS if evidence.seeds(s.max_lr)), SHIFTS[0].max_lr)
    arms: dict[str, tuple[Pick, str]] = {
        "highest max LR": (cosine_of(-1), "#7f2704"),
        "warm-up, then constant": (warm_constant(), "#472d7b"),
        "middle max LR": (cosine_of(1), "#d9541e"),
        "lowest max LR": (cosine_of(0), "#f2a33c"),
        "constant at min LR": (constant_min(), "#21918c"),
    }
    found: list[Stroke] = []
    start = next(iter(_hand_offs(evidence, experiment)), 0.0)
    for name, (pick, colour) in arms.items():
        band = rate_band(evidence.picked(experiment, pick))
        if band is None:
            continue
        if not found and start:  # the first stage is common to all
            found.append(Stroke("", band.until(start), INK[0]))
        found.append(Stroke(name, band.after(start), colour))
    return found, experiment


def _three_stage(evidence: Evidence) -> tuple[list[Stroke], str]:
    return _with_branches(evidence, rate_band), STAGES


def _with_branches(evidence: Evidence, to_band: ToBand) -> list[Stroke]:
    """Trunks, named, and under them every branch from where it leaves its trunk."""
    strokes = []
    for label in (COSINE, *INFINITE):
        trunk = to_band(evidence.picked(STAGES, labelled(label)))
        if trunk is None:
            continue
        strokes.append(Stroke(label, trunk, COLOURS[label], LINES[label]))
        for pick in _branch_picks(evidence, label):
            band = to_band(evidence.picked(STAGES, pick))
            left = _from_departure(band, trunk) if band is not None else None
            if left is not None:
                strokes.append(Stroke("", left, COLOURS[label], DASHES[label]))
    return strokes


def _branch_picks(evidence: Evidence, label: str) -> list[Pick]:
    def called(name: str) -> Pick:
        return lambda outcomes: next((o for o in outcomes if o.label == name), None)

    names = [
        branch.label
        for seed in evidence.seeds(STAGES)
        for branch in branches_of(evidence.outcomes(STAGES, seed), label)
    ]
    return [called(name) for name in dict.fromkeys(names)]


def _from_departure(branch: Band, trunk: Band) -> Band | None:
    """The branch from the last point that it shares with its trunk."""
    shared = dict(zip(trunk.tokens, trunk.mean, strict=True))
    apart = [
        number
        for number, (x, y) in enumerate(zip(branch.tokens, branch.mean, strict=True))
        if shared.get(x) != y
    ]
    return branch.after(branch.tokens[max(apart[0] - 1, 0)]) if apart else None


def _hand_offs(evidence: Evidence, experiment: str) -> list[float]:
    """Tokens at which the stages but the first begin."""
    found = evidence.picked(experiment, labelled(COSINE)) or evidence.picked(
        experiment, cosine_of(0)
    )
    first = next(iter(found.values()), None)
    if first is None:
        return []
    return [float(stage.first_step * first.tokens_per_step) for stage in first.stages[1:]]


def draw_single(evidence: Evidence) -> Drawing | None:
    corpora = evidence.corpora(SINGLE).all
    strokes = []
    for label in (COSINE, *INFINITE, CONSTANT):
        band = loss_band(evidence.picked(SINGLE, labelled(label)), corpora)
        if band is not None:
            strokes.append(Stroke(label, band, COLOURS[label], LINES[label]))
    if not strokes:
        return None
    figure = draw_panels([Panel(LOSS, strokes, settled=0.5)], "tokens trained on")
    caption = "Line: mean over seeds; band: their range. What lies far above is cut off."
    return Drawing(
        "infinite-single", "One run: infinite schedules against the cosine", caption, figure
    )


def draw_infinite(evidence: Evidence) -> Drawing | None:
    corpora = evidence.corpora(STAGES).all

    def to_band(found: Picked) -> Band | None:
        return loss_band(found, corpora, stage_only=False)

    strokes = _with_branches(evidence, to_band)
    if not strokes:
        return None
    dots = _branch_ends(strokes)
    panel = Panel(
        LOSS,
        strokes,
        settled=_first_half(evidence),
        dots=dots,
        hand_offs=_hand_offs(evidence, STAGES),
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
    ends: dict[str, list[tuple[float, float]]] = {}
    for stroke in strokes:
        if not stroke.name:
            place = (float(stroke.band.tokens[-1]), float(stroke.band.mean[-1]))
            ends.setdefault(stroke.colour, []).append(place)
    return ends


def _first_half(evidence: Evidence) -> float:
    """Half of the first stage as a share of the whole recipe."""
    found = next(iter(evidence.picked(STAGES, labelled(COSINE)).values()), None)
    if found is None or not found.stages:
        return 0.2
    return 0.5 * found.stages[0].last_step / last_stage(found).last_step
