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
class Rung:
    """A point whose recipe has come to a rung of early stopping, and has no result yet."""

    fields: Fields
    step: int
    """Steps of its recipe that are done there."""
    value: float
    """What is compared there, the lower the better; finite."""


@dataclass(frozen=True)
class History:
    """All that a sampler learns from."""

    known: Sequence[Known] = ()
    """Points with results, the oldest first."""
    running: Sequence[Fields] = ()
    """Points that are being trained."""
    at_rungs: Sequence[Rung] = ()
    """Points that wait at a rung or have passed it. A sampler that has no use for what they reached
    takes them for running ones."""

    @property
    def without_result(self) -> list[Fields]:
        """All points that have no result yet."""
        return [*self.running, *(rung.fields for rung in self.at_rungs)]


class Sampler(Protocol):
    """Proposes points."""

    def ask(self, history: History, seed: int) -> dict[str, Any]:
        """The next point, as it is written in a recipe; equal calls give equal points.

        It may be a point that is known, and one that cannot be trained: the study asks again, with
        another seed.
        """
