"""What a growing sweep asks for recipes, and tells what has come of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from raycl.recipe.proposals import Proposal
from raycl.results.outcome import RecipeOutcome


class Proposer(Protocol):
    """Proposes the recipes of a search."""

    def propose(self) -> Proposal | None:
        """The next recipe, which is in storage already; None where there are to be no more."""

    def tell(self, number: int, outcome: RecipeOutcome) -> None:
        """Note what the recipe with this number has come to."""

    def reached(self, number: int, step: int, value: float) -> None:
        """Note what the recipe with this number has at a rung, after `step` steps."""

    def learn(self, states: Collection[str]) -> None:
        """Note that these states have been scored, which may be those of other sweeps."""
