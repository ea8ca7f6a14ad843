"""What a stored state still holds, and what may be done with it.

A state is written with all that training needs. Its end may be kept without AdamW's moments, and
later be pruned to its weights, or to its history alone. Each use of a state asks for the least that
it needs:

- the results (tables, figures, the page) need the history alone;
- an evaluation, an export, a merge and a hand-off that resets the optimizer need the weights;
- a resume, and a stage that carries the optimizer on, need all of it.
"""

from __future__ import annotations

from typing import Literal, get_args

Holding = Literal["results", "weights", "all"]
"""`results`: its history; `weights`: the weights too; `all`: AdamW's moments too."""
_FROM_LEAST = get_args(Holding)


def holds_enough(held: Holding, needed: Holding) -> bool:
    """Whether a state that holds `held` serves where `needed` is needed."""
    return _FROM_LEAST.index(held) >= _FROM_LEAST.index(needed)


def most_of(first: Holding, second: Holding) -> Holding:
    """The larger of two needs."""
    return first if holds_enough(first, second) else second


def needed_to_go_on(resets_optimizer: bool) -> Holding:
    """The least that a state must hold for training to go on from it."""
    return "weights" if resets_optimizer else "all"
