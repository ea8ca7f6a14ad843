"""A search in the pipeline of a sweep: how it begins, grows, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from raycl.cluster.options import ClusterOptions
from raycl.evaluation.wanted_tasks import StoredTasks, WantedTasks
from raycl.recipe.definition import Definition, with_stored_proposals
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.results.objective import check_objective
from raycl.search.study import Spent, Study
from raycl.storage import Storage
from raycl.sweep.costs import dollars_for
from raycl.sweep.description import add_to_description
from raycl.sweep.proposer import Proposer
from raycl.sweep.recipe_growth import RecipeGrowth
from raycl.sweep.scoring import Scores

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
        self._wanted: WantedTasks | None = None
        self._checked = False
        self._scores: Scores | None = None

    def begin(self, definitions: Sequence[Definition]) -> tuple[Definition, ...]:
        """The definitions with all that was added to them in storage.

        A search that has no recipe yet gets its first one, so that there is something to plan.
        """
        made = tuple(with_stored_proposals(each, self._storage) for each in definitions)
        if len(made) > 1 or not made[0].is_search:
            return made
        self._wanted = _wanted(made[0])
        if made[0].proposals:
            return made
        if self._wanted is not None:
            check_objective(made[0].recipe, made[0].where)
            self.check()
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
        if growth.has_work or growth.awaits:
            return plan, True
        added = growth.more(idle=True)
        return _grown(plan, growth, self._storage), bool(added) or growth.awaits > 0

    def check(self) -> None:
        """Raise InputError where a task of the objective cannot be asked; before a cluster starts.

        This takes seconds, and a network where the data of a task is not there yet.
        """
        if self._wanted is not None and not self._checked:
            self._wanted.check()
        self._checked = True

    @contextmanager
    def measuring(self, options: ClusterOptions) -> Iterator[None]:
        """Let final states be scored inside the block, on the cluster, where the search needs it.

        It ends with what is under way; what waits is scored by the next command.
        """
        if self._scores is None or self._wanted is None:
            yield
            return
        # Imported here, once there is a cluster: it imports Ray.
        from raycl.evaluation.harness_ray import StateScorer

        self._scores.measure_with(StateScorer(self._storage, self._wanted, options.needs))
        try:
            yield
        finally:
            self._scores.close()

    @property
    def not_scored(self) -> dict[str, str]:
        """The reasons of recipes that are trained and could not be scored, by label."""
        if self._scores is None or self._growth is None:
            return {}
        tree, failed = self._growth.tree, self._scores.failed
        ends = {label: t.chain.name(t.chain.steps) for label, t in tree.recipes.items()}
        return {label: failed[end] for label, end in ends.items() if end in failed}

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
            study = Study(definition, self._storage, plan.resolution, self._spent)
            self._proposer = study
            if self._wanted is not None:
                self._scores = Scores(StoredTasks(self._wanted, self._storage).lack, self._report)
                for state in study.ends_elsewhere:
                    self._scores.has(state)
        self._growth = RecipeGrowth(plan, self._storage, self._proposer, self._report, self._scores)
        return self._growth

    def _spent(self) -> Spent:
        tokens = self._growth.tokens_spent if self._growth else 0
        return spent_on(self._storage, self._name, tokens) if self._in_dollars else Spent(tokens)


def spent_on(storage: Storage, sweep: str, tokens: int) -> Spent:
    """What so many tokens of a sweep have cost, where it was told prices."""
    return Spent(tokens, dollars_for(storage, sweep, tokens))


def _wanted(definition: Definition) -> WantedTasks | None:
    search = definition.recipe.search
    if search is None:
        return None
    return WantedTasks.of(search, tuple(definition.recipe.corpora), definition.where)


def _in_dollars(definition: Definition) -> bool:
    budget = definition.recipe.search.budget if definition.recipe.search else None
    return budget is not None and budget.dollars is not None


def _grown(plan: SweepPlan, growth: RecipeGrowth, storage: Storage) -> SweepPlan:
    if growth.definition == plan.sweeps[0].definition:
        return plan
    manifests, resolution = plan.manifests, plan.resolution
    made = plan_sweeps((growth.definition,), storage, manifests, resolution)
    return replace(made, models=plan.models, place=plan.place)
