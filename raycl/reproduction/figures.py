"""Every figure of the document: which recipes it shows, in which colours, over which axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from raycl.reproduction import paper_numbers as paper
from raycl.reproduction.bands import Stroke, level_band, loss_band
from raycl.reproduction.claim import SHIFTS, Shift, percent
from raycl.reproduction.claim_rates import SAME, WARMUPS
from raycl.reproduction.colours import ordered_colours
from raycl.reproduction.evidence import Evidence, Pick
from raycl.reproduction.figures_infinite import draw_infinite, draw_schedules, draw_single
from raycl.reproduction.panels import Panel, draw_panels
from raycl.reproduction.picks import (
    constant_min,
    cosine_of,
    of_kind,
    replay,
    single,
    warm_constant,
    warmup,
)
from raycl.reproduction.tables import RATES, rate_name
from raycl.reproduction.trade import draw_trade
from raycl.results.report.canvas import Drawing, house_style
from raycl.results.report.palette import LOSS, QUIET

Arms = Mapping[str, Pick]


def _strokes(
    evidence: Evidence, experiment: str, arms: Arms, colours: Sequence[str], corpora: Sequence[str]
) -> list[Stroke]:
    found = []
    for (name, pick), colour in zip(arms.items(), colours, strict=True):
        band = loss_band(evidence.picked(experiment, pick), corpora)
        line = (0, (5, 1.5)) if "constant" in name else "-"
        if band is not None:
            found.append(Stroke(name, band, colour, line))
    return found


def _union(evidence: Evidence, shift: Shift, corpora: Sequence[str], strokes: list[Stroke]) -> None:
    """Add where the union ended, as a level."""
    found = dict(evidence.picked(f"e2-union-{shift.name}", single()))
    found |= evidence.picked(shift.replay, of_kind("union"))
    level = level_band(found, corpora, strokes[0].band.tokens) if strokes else None
    if level is not None:
        strokes.append(Stroke("union, at its end", level, QUIET[0], (0, (4, 2))))


def _old_and_new(
    evidence: Evidence,
    shift: Shift,
    experiment: str,
    arms: Arms,
    colours: Sequence[str],
) -> list[Panel]:
    """Loss on D0 above, on D1 below, over the tokens of the last stage."""
    corpora = evidence.corpora(experiment)
    panels = []
    # The first steps on new data fall so far that they would press all differences together.
    for part, names, settled in (("D0", corpora.first, 0.0), ("D1", corpora.last, 0.2)):
        strokes = _strokes(evidence, experiment, arms, colours, names)
        _union(evidence, shift, names, strokes)
        if strokes:
            title = f"{part}: {', '.join(names)}"
            panels.append(Panel(LOSS, strokes, title, settled))
    return panels


TOKENS = "tokens of the second stage"
_SPREAD = "Line: mean over seeds; band: their range."


def draw_warmups(evidence: Evidence, shift: Shift) -> Drawing | None:
    arms = {f"warm-up {percent(share)}": warmup(share) for share in WARMUPS}
    colours = ordered_colours(len(arms), rates=True)
    panels = _old_and_new(evidence, shift, shift.warmup, arms, colours)
    return _drawing(f"warm-up-{shift.name}", f"Length of the warm-up, {shift.name} shift", panels)


def draw_max_lr(evidence: Evidence, shift: Shift) -> Drawing | None:
    arms = {
        "constant at min LR": constant_min(),
        **{
            rate_name(evidence, shift.max_lr, name, ""): cosine_of(place)
            for name, place in RATES.items()
        },
        "warm-up, then constant": warm_constant(),
    }
    colours = ["#21918c", *ordered_colours(len(RATES), rates=True), "#472d7b"]
    panels = _old_and_new(evidence, shift, shift.max_lr, arms, colours)
    return _drawing(f"max-lr-{shift.name}", f"Max learning rate, {shift.name} shift", panels)


def draw_replay(evidence: Evidence, shift: Shift) -> Drawing | None:
    shares = list(paper.REPLAY[shift.name])
    arms = {f"replay {percent(share)}": replay(share) for share in shares}
    panels = _old_and_new(evidence, shift, shift.replay, arms, ordered_colours(len(arms)))
    return _drawing(f"replay-{shift.name}", f"Replay, {shift.name} shift", panels)


def draw_same_data(evidence: Evidence) -> Drawing | None:
    colours = ordered_colours(len(RATES), rates=True)
    panels = []
    for experiment, title in (
        (SAME, "loss on D0 while training on D0 again"),
        (SHIFTS[0].max_lr, "loss on D0 while training on D1"),
    ):
        names = evidence.corpora(experiment).first
        arms = {
            rate_name(evidence, experiment, name, ""): cosine_of(place)
            for name, place in RATES.items()
        }
        strokes = _strokes(evidence, experiment, arms, colours, names)
        if strokes:
            panels.append(Panel(LOSS, strokes, title))
    return _drawing("same-data", "Re-warming on the same data, and on other data", panels)


def _drawing(name: str, title: str, panels: Sequence[Panel]) -> Drawing | None:
    if not panels:
        return None
    return Drawing(name, title, _SPREAD, draw_panels(panels, TOKENS))


_DRAWN: tuple[Callable[[Evidence], Drawing | None], ...] = (
    draw_schedules,
    *(partial(draw, shift=s) for draw in (draw_warmups, draw_max_lr) for s in SHIFTS),
    *(partial(draw, shift=s) for draw in (draw_replay, draw_trade) for s in SHIFTS),
    draw_same_data,
    draw_single,
    draw_infinite,
)


def draw_all(evidence: Evidence) -> list[Drawing]:
    """The figures that the evidence has data for, in the order of the paper."""
    with house_style():
        drawings = [draw(evidence) for draw in _DRAWN]
    return [drawing for drawing in drawings if drawing is not None]
