"""The recipes of a search that wait at their rungs, and what they may still take of its budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from raycl.plan.early_stopping import Halving
from raycl.plan.training import Training, chains_of
from raycl.plan.tree import Node
from raycl.recipe.definition import Definition
from raycl.recipe.rungs import Rungs, recipe_rungs
from raycl.recipe.schema.search import Budget, Search
from raycl.sweep.growth import frozen_below

ValueAt = Callable[[str, int, str], float]
"""The value of a metric of the recipe with a label, after so many steps."""


class Waiting:
    """Which recipes wait, and which nodes are frozen for that. Without early stopping, none.

    `spent` tells how many tokens the search has taken, and `dollars` what so many have cost or will
    cost. No recipe passes a rung for which its budget has not enough left.
    """

    def __init__(
        self,
        search: Search | None,
        value: ValueAt,
        spent: Callable[[], int],
        dollars: Callable[[int], float | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        stopping = search.early_stopping if search else None
        self._halving = Halving(stopping.factor) if stopping else None
        self._metric = stopping.metric if stopping else ""
        self._budget = search.budget if search else None
        self._value, self._spent = value, spent
        self._dollars, self._clock = dollars, clock
        self._began = clock()
        self._rungs: dict[str, Rungs] = {}
        self._tokens: dict[str, int] = {}

    def enter(
        self, definition: Definition, recipes: Mapping[str, Training]
    ) -> dict[str, tuple[int, ...]]:
        """Let recipes take part; returns the steps at which each of them waits."""
        found = recipe_rungs(definition, chains_of(recipes))
        for label, rungs in found.items():
            self._rungs[label] = rungs
            self._tokens[label] = recipes[label].chain.tokens_per_step
            if self._halving:
                self._halving.enter(label, rungs.all, rungs.bracket)
        return {label: rungs.steps for label, rungs in found.items()}

    def passed(self, label: str, step: int) -> None:
        """Note that a recipe trains on after `step`, whoever let it."""
        if self._halving:
            self._halving.passed(label, step)

    def reached(self, label: str, step: int) -> float | None:
        """Compare the recipe with others, if it has a rung after `step` steps.

        Returns the value there; None where there is no rung.
        """
        if self._halving is None or self._halving.rung_at(label, step) is None:
            return None
        value = self._value(label, step, self._metric)
        self._halving.reached(label, step, value)
        return value

    def promote(self) -> bool:
        """Let a recipe pass its rung that is among the best there; returns whether there is one."""
        return self._halving is not None and self._halving.promote(self._affords) is not None

    def promote_last(self) -> bool:
        """Let the best recipe of the deepest rung go on; returns whether there is one."""
        return self._halving is not None and self._halving.promote_last(self._affords) is not None

    def frozen(self, left: Sequence[Node]) -> frozenset[str]:
        """Those of the nodes that lie beyond the rungs at which their recipes wait."""
        if self._halving is None:
            return frozenset()
        labels = {label for node in left for label in node.recipes}
        return frozen_below(left, {label: self._halving.limit(label) for label in labels})

    def _affords(self, label: str) -> bool:
        """Whether the budget has room for the recipe up to its next rung."""
        assert self._halving is not None
        budget = self._budget or Budget.model_construct()
        hours = (self._clock() - self._began) / 3600
        if budget.hours is not None and hours >= budget.hours:
            return False
        tokens = self._spent() + self._next_tokens(label)
        if budget.tokens is not None and tokens > budget.tokens:
            return False
        return budget.dollars is None or (self._dollars(tokens) or 0.0) <= budget.dollars

    def _next_tokens(self, label: str) -> int:
        assert self._halving is not None
        rungs = self._rungs[label]
        here = int(self._halving.limit(label))
        after = next((step for step in rungs.steps if step > here), rungs.end)
        return (after - here) * self._tokens[label]
