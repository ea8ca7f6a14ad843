"""Every figure of a sweep, in reading order."""

from __future__ import annotations

from collections.abc import Sequence

from raycl.results.outcome import RecipeOutcome, corpora_of
from raycl.results.report.canvas import Drawing, house_style
from raycl.results.report.front import draw_front
from raycl.results.report.learning_rate import draw_learning_rate
from raycl.results.report.loss_by_tokens import draw_hand_off
from raycl.results.report.max_learning_rate import draw_by_max_rate
from raycl.results.report.palette import looks
from raycl.results.report.trade import draw_trade


def draw_figures(outcomes: Sequence[RecipeOutcome]) -> list[Drawing]:
    """The figures that these outcomes have data for."""
    begun = [outcome for outcome in outcomes if outcome.steps]
    appearance = looks(outcomes)
    with house_style():
        drawings = [
            *(draw_hand_off(begun, corpus, appearance) for corpus in corpora_of(begun)),
            draw_front(begun, appearance),
            draw_trade(begun, appearance),
            draw_by_max_rate(begun, appearance),
            draw_learning_rate(begun, appearance),
        ]
    return [drawing for drawing in drawings if drawing is not None]
