"""A search in the pipeline of a sweep: how it begins, grows, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from raycl.recipe.definition import Definition, with_stored_proposals
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.search.study import Spent, Study
from raycl.storage import Storage
from raycl.sweep.costs import dollars_for
from raycl.sweep.description import add_to_description
from raycl.sweep.recipe_growth import Proposer, RecipeGrowth

Report = Callable[[str], None]


class SearchRun:
    """The search of a sweep, from the command's begin to its end; most sweeps have none.

    Sweeps that are trained as one tree have no search, and nothing is added to them meanwhile.
    """

    def __init__(self, storage: Storage, report: Report) -> None:
        self._storage, self._report = storage, report
        self._proposer: Proposer | None = None
        self._growth: RecipeGrowth | None = None
        self._name, self._in_dollars = "", False

    def begin(self, definitions: Sequence[Definition]) -> tuple[Definition, ...]:
        """The definitions with all that was added to them in storage.

        A search that has no recipe yet gets its first one, so that there is something to plan.
        """
        made = tuple(with_stored_proposals(each, self._storage) for each in definitions)
        if len(made) > 1 or not made[0].is_search or made[0].proposals:
            return made
        # Its names may not be known yet, as corpora are not prepared; another study goes on.
        self._name, self._in_dollars = made[0].recipe.name, _in_dollars(made[0])
        Study(made[0], self._storage, None, self._spent).propose()
        # Others may have added to it since the storage was read: it is read again.
        return (with_stored_proposals(made[0], self._storage),)

    def with_work(self, plan: SweepPlan) -> tuple[SweepPlan, bool]:
        """The plan, and whether something is to be trained that does not wait at a rung.

        Where a search has nothing left to train it gets its next recipe, if there is to be one.
        """
        if not plan.is_prepared or len(plan.sweeps) > 1 or not plan.sweeps[0].definition.is_search:
            return plan, not (plan.is_prepared and plan.is_trained)
        growth = self._growth_of(plan)
        if growth.has_work:
            return plan, True
        added = growth.more(idle=True)
        return _grown(plan, growth, self._storage), bool(added)

    def growth(self, plan: SweepPlan) -> RecipeGrowth | None:
        """What lets the tree of a plan grow; None where several sweeps are trained as one tree."""
        self._growth = self._growth_of(plan) if len(plan.sweeps) == 1 else None
        return self._growth

    def grown(self, plan: SweepPlan) -> SweepPlan:
        """The plan with all recipes that were added while it was trained."""
        if self._growth is None:
            return plan
        if ended := getattr(self._proposer, "ended", ""):
            self._report(f"The search has ended. {ended}")
        made = _grown(plan, self._growth, self._storage)
        if made is not plan:  # another command may have described the sweep anew meanwhile
            (planned,) = made.sweeps
            add_to_description(self._storage, planned.name, made.tree, planned.merges)
        return made

    def _growth_of(self, plan: SweepPlan) -> RecipeGrowth:
        definition = plan.sweeps[0].definition
        if definition.is_search and self._proposer is None:
            self._name, self._in_dollars = definition.recipe.name, _in_dollars(definition)
            self._proposer = Study(definition, self._storage, plan.resolution, self._spent)
        self._growth = RecipeGrowth(plan, self._storage, self._proposer, self._report)
        return self._growth

    def _spent(self) -> Spent:
        tokens = self._growth.tokens_spent if self._growth else 0
        return spent_on(self._storage, self._name, tokens) if self._in_dollars else Spent(tokens)


def spent_on(storage: Storage, sweep: str, tokens: int) -> Spent:
    """What so many tokens of a sweep have cost, where it was told prices."""
    return Spent(tokens, dollars_for(storage, sweep, tokens))


def _in_dollars(definition: Definition) -> bool:
    budget = definition.recipe.search.budget if definition.recipe.search else None
    return budget is not None and budget.dollars is not None


def _grown(plan: SweepPlan, growth: RecipeGrowth, storage: Storage) -> SweepPlan:
    if growth.definition == plan.sweeps[0].definition:
        return plan
    manifests, resolution = plan.manifests, plan.resolution
    made = plan_sweeps((growth.definition,), storage, manifests, resolution)
    return replace(made, models=plan.models, place=plan.place)
