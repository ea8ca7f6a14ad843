"""Where a branch leaves a recipe: which recipe of a node, and at which of its stored states."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from raycl.errors import InputError
from raycl.plan.state_index import StateIndex
from raycl.plan.training import Training
from raycl.recipe.branch_fields import Sets
from raycl.recipe.definition import Definition
from raycl.recipe.variants import Variant
from raycl.states.lookup import list_states
from raycl.states.reduced import holdings
from raycl.storage import Storage

_SHOWN = 6
START = "start"
LATEST = "latest"


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for."""

    sweep: str
    recipes: tuple[str, ...]
    """Labels of the recipes of the node at which one of them is left."""
    sets: Sets
    first: int
    """Steps of its chain before the node."""
    last: int
    """Steps of its chain at the end of the node."""
    at: str = LATEST
    """`start`, `latest`, or the number of a step of its chain."""
    label: str | None = None
    """The recipe that is left; None where the node has only one."""


def departed_recipe(definition: Definition, wanted: Wanted) -> Variant:
    """The recipe that is left. Raises InputError unless it is one that can be."""
    recipes = [v for v in definition.variants if v.kind == "sweep" and not v.seed]
    if wanted.label is None:
        recipes = [v for v in recipes if v.label in wanted.recipes]
        if len(recipes) == 1:
            return recipes[0]
    labels = "; ".join(v.label for v in recipes[:_SHOWN])
    more = f" and {len(recipes) - _SHOWN} more" if len(recipes) > _SHOWN else ""
    if wanted.label is None and recipes:
        problem = f"{len(recipes)} recipes go through this node"
        raise InputError("NODE", problem, f"Name one with --label: {labels}{more}")
    label = wanted.label or (wanted.recipes[0] if wanted.recipes else "")
    found = next((v for v in definition.variants if v.label == label), None)
    if found is None:
        problem, remedy = "the stored sweep has no such recipe", f"Recipes: {labels}{more}"
    elif found.seed:
        problem = "one of several seeds, which all get the branch"
        remedy = f"Name number 0: --label {shlex.quote(found.setting)}"
    elif found.kind == "anneal":
        problem = f"an anneal branch, which leaves the recipe {found.trunk!r}"
        remedy = f"Name that recipe: --label {shlex.quote(found.trunk)}"
    elif found.kind == "sweep":
        return found
    else:
        problem, remedy = f"a baseline ({found.kind})", "Name a recipe of the sweep itself"
    raise InputError(f"recipe {label!r}", problem, remedy)


def span_of(training: Training, stage: str) -> tuple[int, int]:
    """The steps of the chain before a stage, and those at its end."""
    chain = training.chain
    parts = [i for i, part in enumerate(chain.stages) if part.name == stage]
    return chain.starts[parts[0]], chain.starts[parts[-1] + 1]


def place_of_departure(
    storage: Storage,
    wanted: Wanted,
    whole: Training,
    stage: tuple[int, int, int],
) -> int:
    """The steps of the chain before the branch: those of the nearest state that it can go on from.

    `stage` is where the stage begins and ends that is changed, and where it ends in the branch.
    Where no state is inside of it, the branch begins the stage anew.
    """
    begin, end, new_end = stage
    if wanted.at == START:
        return begin
    # Something has to be left of the stage.
    last = min(wanted.last, end if new_end > end else end - 1, new_end - 1, _step_of(wanted))
    listing = list_states(storage)
    found = list(StateIndex(listing.bytes).along(whole.chain, last, above=begin))
    held = holdings(storage, [name for _, name in found if name in listing.reduced])
    return next((step for step, name in found if held.get(name, "all") == "all"), begin)


def _step_of(wanted: Wanted) -> int:
    """The step up to which a state is looked for. Raises InputError for what is no step."""
    if wanted.at == LATEST:
        return wanted.last
    if not (wanted.at.isascii() and wanted.at.isdecimal()):
        remedy = f"Give a step of the recipe's chain, `{START}` or `{LATEST}`"
        raise InputError(f"--at {wanted.at}", "not a step", remedy)
    return int(wanted.at)
