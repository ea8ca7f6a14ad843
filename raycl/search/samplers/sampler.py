"""What a sampler is: from what is known it proposes the next point of a space.

A sampler keeps nothing between two calls. All that it learns from is handed to it, and its
randomness comes from a number, so that a search which is interrupted goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from raycl.recipe.space import Fields


@dataclass(frozen=True)
class Known:
    """A point and what came of it."""

    fields: Fields
    objectives: tuple[float, ...] | None
    """The lower the better; may be infinite, never NaN. None: it could not be trained."""
    constraints: tuple[float, ...] = ()
    """Each is kept where it is 0 or less."""


@dataclass(frozen=True)
class History:
    """All that a sampler learns from."""

    known: Sequence[Known] = ()
    """Points with results, the oldest first."""
    running: Sequence[Fields] = ()
    """Points that are being trained."""


class Sampler(Protocol):
    """Proposes points."""

    def ask(self, history: History, seed: int) -> dict[str, Any]:
        """The next point, as it is written in a recipe; equal calls give equal points.

        It may be a point that is known, and one that cannot be trained: the study asks again, with
        another seed.
        """
