"""The steps at which the recipes of a search wait, when it stops poor ones early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raycl.plan.chain import Chain
from raycl.plan.early_stopping import bracket_of, rungs
from raycl.recipe.definition import Definition
from raycl.recipe.schema.search import EarlyStopping


@dataclass(frozen=True)
class Rungs:
    """The rungs of one recipe."""

    all: tuple[int, ...]
    """Those of the whole search: steps of the recipe's chain."""
    end: int
    """The recipe's last step."""
    bracket: int = 0
    """How many of them the recipe passes without waiting: Hyperband's brackets differ in it."""

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps at which the recipe waits."""
        return self.all[self.bracket :]


def recipe_rungs(definition: Definition, chains: Mapping[str, Chain]) -> dict[str, Rungs]:
    """The rungs of each proposed recipe with a chain, by its label; none without early stopping.

    Branches that anneal off a recipe wait nowhere, and neither do baselines.
    """
    search = definition.recipe.search
    if search is None or search.early_stopping is None:
        return {}
    return {
        variant.label: _rungs(chains[variant.label], search.early_stopping, variant.proposals[0])
        for variant in definition.variants
        if variant.kind == "sweep" and variant.proposals and variant.label in chains
    }


def _rungs(chain: Chain, stopping: EarlyStopping, number: int) -> Rungs:
    # A stage whose fields change inside it is several stages of the chain, which follow each other.
    parts = [index for index, stage in enumerate(chain.stages) if stage.name == stopping.stage]
    steps = sum(chain.stages[index].steps for index in parts)
    first = float(stopping.first.steps(steps, chain.tokens_per_step))
    found = rungs(chain.starts[parts[0]], steps, first, stopping.factor)
    # Recipes of the last bracket wait nowhere.
    brackets = len(found) + 1 if stopping.kind == "hyperband" else 1
    return Rungs(found, chain.steps, bracket_of(number, brackets, stopping.factor))


def stopped_text(step: int, steps: int, stopping: EarlyStopping) -> str:
    """How people are told that a recipe of `steps` steps waits at a rung."""
    return f"stopped at step {step:,} of {steps:,} by {stopping.kind}"
