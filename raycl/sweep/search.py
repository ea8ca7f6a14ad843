"""A search in the pipeline of a sweep: how it begins, grows, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from raycl.recipe.definition import Definition, with_proposals, with_stored_proposals
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.storage import Storage
from raycl.sweep.recipe_growth import Proposer, RecipeGrowth

Report = Callable[[str], None]


def make_proposer(definition: Definition, storage: Storage) -> Proposer:
    """The study of a search."""
    from raycl.search.study import Study

    return Study(definition, storage)


def begin_search(
    definitions: Sequence[Definition], storage: Storage
) -> tuple[tuple[Definition, ...], Proposer | None]:
    """The definitions with all that was added to them, and what proposes recipes for a search.

    A search that has no recipe yet gets its first one, so that there is something to plan.
    """
    made = tuple(with_stored_proposals(definition, storage) for definition in definitions)
    if len(made) > 1 or not made[0].is_search:
        return made, None
    proposer = make_proposer(made[0], storage)
    if not made[0].proposals and (first := proposer.propose()) is not None:
        made = (with_proposals(made[0], (first,)),)
    return made, proposer


def growth_of(
    plan: SweepPlan, storage: Storage, proposer: Proposer | None, report: Report
) -> RecipeGrowth | None:
    """What lets the tree of a plan grow; None where several sweeps are trained as one tree."""
    return RecipeGrowth(plan, storage, proposer, report) if len(plan.sweeps) == 1 else None


def with_work(
    plan: SweepPlan, storage: Storage, proposer: Proposer | None, report: Report
) -> tuple[SweepPlan, bool]:
    """The plan, and whether something is to be trained that does not wait at a rung.

    Where a search has nothing left to train, the plan gets its next recipe, if there is to be one.
    """
    if plan.sweeps[0].definition.recipe.search is None or len(plan.sweeps) > 1:
        return plan, not plan.is_trained
    growth = RecipeGrowth(plan, storage, proposer, report)
    if growth.has_work:
        return plan, True
    added = growth.more(idle=True)
    return grown(plan, growth, storage), bool(added)


def grown(plan: SweepPlan, growth: RecipeGrowth, storage: Storage) -> SweepPlan:
    """The plan with all recipes that were added while it was trained."""
    if growth.definition == plan.sweeps[0].definition:
        return plan
    manifests, resolution = plan.manifests, plan.resolution
    made = plan_sweeps((growth.definition,), storage, manifests, resolution)
    return replace(made, models=plan.models, place=plan.place)
