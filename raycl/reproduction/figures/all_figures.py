"""Every figure of the document, in the order of the paper."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.shifts import SHIFTS
from raycl.reproduction.figures.infinite_single import draw_single
from raycl.reproduction.figures.infinite_stages import draw_stages
from raycl.reproduction.figures.learning_rates import draw_learning_rates
from raycl.reproduction.figures.max_learning_rate import draw_max_lr
from raycl.reproduction.figures.replay import draw_replay
from raycl.reproduction.figures.same_data import draw_same_data
from raycl.reproduction.figures.trade import draw_trade
from raycl.reproduction.figures.warm_up import draw_warmups
from raycl.results.report.canvas import Drawing, house_style

_DRAWN: tuple[Callable[[Evidence], Drawing | None], ...] = (
    draw_learning_rates,
    *(partial(draw, shift=s) for draw in (draw_warmups, draw_max_lr) for s in SHIFTS),
    *(partial(draw, shift=s) for draw in (draw_replay, draw_trade) for s in SHIFTS),
    draw_same_data,
    draw_single,
    draw_stages,
)


def draw_all(evidence: Evidence) -> list[Drawing]:
    """The figures that the evidence has data for."""
    with house_style():
        drawings = [draw(evidence) for draw in _DRAWN]
    return [drawing for drawing in drawings if drawing is not None]
