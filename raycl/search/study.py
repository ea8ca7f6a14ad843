"""A search that goes on: it proposes recipes by what storage knows, and records each in storage.

Nothing of a study is kept but its proposals and the states of their recipes. It is made anew from
them by every command, so that one which is interrupted goes on with the same proposals.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from raycl.errors import InputError
from raycl.recipe.definition import (
    Definition,
    read_manifests,
    with_proposals,
    with_stored_proposals,
)
from raycl.recipe.proposals import HAND, Proposal, add_proposal, read_new
from raycl.recipe.rates import check_rates
from raycl.recipe.resolution import Resolution
from raycl.recipe.schema.search import Search
from raycl.recipe.space import Fields, space_of
from raycl.recipe.sweep_plan import plan_sweeps, resolve_inputs
from raycl.results.at_rung import value_at
from raycl.results.objective import check_objective, measured
from raycl.results.outcome import STOPPED, RecipeOutcome
from raycl.search.prior import (
    left_alone,
    outcomes_by_number,
    outcomes_elsewhere,
    points_elsewhere,
)
from raycl.search.samplers import History, Known, Rung, make_sampler
from raycl.search.samplers.random_sampler import RandomSampler
from raycl.storage import Storage
from raycl.units import format_count

_ASKED = 20
"""How often the sampler is asked for a point before points are drawn at random."""
_DRAWN = 500
"""How many points are drawn at random before the space counts as exhausted."""


@dataclass(frozen=True)
class Spent:
    """What the recipes of a search have taken so far."""

    tokens: int = 0
    """Tokens that were trained."""
    dollars: float | None = None
    """None where prices are not known."""


class Study:
    """The search of one sweep. Made once the corpora are prepared: names of states need them.

    `spent` tells what was really spent; without it every proposal counts with the tokens that were
    left to train for it when it was proposed. Raises InputError where the recipe's search cannot be
    made, or names a number that its recipes do not have.
    """

    def __init__(
        self,
        definition: Definition,
        storage: Storage | None,
        resolution: Resolution | None = None,
        spent: Callable[[], Spent] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.definition = with_stored_proposals(definition, storage)
        """The recipe file with all proposals so far."""
        self.search = _search_of(definition)
        self.space = space_of(definition.recipe)
        self.ended = ""
        """Why nothing more is proposed, as a sentence; empty while the search goes on."""
        self._storage, self._spent, self._clock = storage, spent, clock
        self._began = clock()
        check_objective(definition.recipe, definition.where)
        self._check_prices()
        self._sampler = make_sampler(self.search, self.space)
        self._resolution = resolution or resolve_inputs((definition,), storage)
        self._manifests = read_manifests((definition,), storage)
        self._elsewhere = self._learned()
        self._own, self._at_rungs = self._results()

    @property
    def learned(self) -> int:
        """How many results of other sweeps the sampler knows."""
        return len(self._elsewhere)

    @property
    def known(self) -> tuple[Known, ...]:
        """All results, as the sampler is told them: those of other sweeps, then by number."""
        return (*self._elsewhere, *(self._own[number] for number in sorted(self._own)))

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """What the search has proposed, without what was added by hand."""
        return tuple(p for p in self.definition.proposals if p.source != HAND)

    @property
    def running(self) -> tuple[Proposal, ...]:
        """Proposals without a result that have not come to a rung either."""
        known = self._own.keys() | self._at_rungs.keys()
        return tuple(p for p in self.proposals if p.number not in known)

    @property
    def at_rungs(self) -> tuple[Rung, ...]:
        """Proposals without a result that have come to a rung, by number."""
        return tuple(self._at_rungs[number] for number in sorted(self._at_rungs))

    @property
    def spent(self) -> Spent:
        """What the search has taken so far."""
        if self._spent is not None:
            return self._spent()
        return Spent(sum(proposal.tokens for proposal in self.proposals))

    def propose(self) -> Proposal | None:
        """The next recipe, which storage holds when it is returned; None where the search is over.

        Raises InputError where none of many points is a recipe that can be trained.
        """
        if self._storage is None:
            raise ValueError("a study without a storage cannot record proposals")
        name = self.definition.recipe.name
        self._add(*self._new())  # somebody else may search, or add by hand
        found = self._next()
        if found is None:
            return None
        source = self.search.sampler
        made = add_proposal(self._storage, name, found.fields, source, tokens=found.tokens)
        self._add(made)
        return made

    def preview(self, count: int) -> list[Proposal]:
        """The next proposals if no result came in between. Nothing is recorded."""
        before = self.definition
        made: list[Proposal] = []
        while len(made) < count and (found := self._next()) is not None:
            made.append(found)
            self._add(found)
        self.definition, self.ended = before, ""
        return made

    def tell(self, number: int, outcome: RecipeOutcome) -> None:
        """Tell the result of a proposal: its recipe is finished, or failed.

        An unfinished one is still running, and one whose numbers are not all measured has no
        result until the search is begun anew.
        """
        proposal = self._proposal(number)
        known = self._known(proposal.fields, outcome)
        if known is not None and self.space.fits(proposal.fields):
            self._own[number] = known
            self._at_rungs.pop(number, None)

    def reached(self, number: int, step: int, value: float) -> None:
        """Note what a proposal has after `step` steps, at a rung of early stopping."""
        proposal = self._proposal(number)
        if math.isfinite(value) and number not in self._own and self.space.fits(proposal.fields):
            self._at_rungs[number] = Rung(proposal.fields, step, value)

    def _proposal(self, number: int) -> Proposal:
        if all(proposal.number != number for proposal in self.definition.proposals):
            self._add(*self._new())  # somebody else has added it
        return next(p for p in self.definition.proposals if p.number == number)

    def _known(self, fields: Fields, outcome: RecipeOutcome) -> Known | None:
        if outcome.status == "failed":
            return Known(fields, None)
        found = measured(outcome, self.search.objective)
        return Known(fields, found.objectives, found.constraints) if found.is_known else None

    def _new(self) -> tuple[Proposal, ...]:
        """What others have added meanwhile."""
        if self._storage is None:
            return ()
        known = [proposal.number for proposal in self.definition.proposals]
        return read_new(self._storage, self.definition.recipe.name, known)

    def _add(self, *proposals: Proposal) -> None:
        if proposals:
            both = {p.number: p for p in (*self.definition.proposals, *proposals)}
            self.definition = with_proposals(self.definition, [both[n] for n in sorted(both)])

    def _results(self) -> tuple[dict[int, Known], dict[int, Rung]]:
        """What storage has of this sweep, by number of the proposal: results, and rungs."""
        if self._storage is None or not self.definition.proposals:
            return {}, {}
        outcomes = outcomes_by_number(self.definition, self._storage, self._resolution)
        points = {p.number: p.fields for p in self._fitting(self.definition.proposals)}
        own = {n: outcome for n, outcome in outcomes.items() if n in points}
        known = {n: self._known(points[n], outcome) for n, outcome in own.items()}
        rungs = {n: self._rung(points[n], outcome) for n, outcome in own.items()}
        return (
            {n: found for n, found in known.items() if found is not None},
            {n: rung for n, rung in rungs.items() if rung is not None},
        )

    def _rung(self, fields: Fields, outcome: RecipeOutcome) -> Rung | None:
        """Where a recipe waits that was stopped; None for any other."""
        if outcome.status != STOPPED or self.search.early_stopping is None:
            return None
        value = value_at(outcome, outcome.steps, self.search.early_stopping.metric)
        return Rung(fields, outcome.steps, value) if math.isfinite(value) else None

    def _learned(self) -> list[Known]:
        """The results that storage has of other sweeps, at points that this one has not."""
        if self._storage is None:
            return []
        points = points_elsewhere(self.definition, self.space, self._storage)
        own = {self.space.key(p.fields) for p in self._fitting(self.definition.proposals)}
        new = [point for point in points if self.space.key(point) not in own]
        found = outcomes_elsewhere(self.definition, new, self._storage, self._resolution)
        told = (self._known(fields, outcome) for fields, outcome in found)
        return [known for known in told if known is not None]

    def _fitting(self, proposals: tuple[Proposal, ...]) -> Iterator[Proposal]:
        return (p for p in proposals if self.space.fits(p.fields))

    def _next(self) -> Proposal | None:
        """The next proposal, not recorded; None, and a reason in `ended`, where there is none."""
        self.ended = self._over()
        if self.ended:
            return None
        found = self._untried()
        if found is None and not self.proposals:
            raise InputError(
                f"{self.definition.where}: search",
                f"every point of its space is known: {self.learned} results of other sweeps",
                "Give wider ranges in `sweep`; `raycl report` shows those sweeps",
            )
        if found is None:
            self.ended = "The search space is exhausted: every point that it proposes is known."
            return None
        most = self.search.budget.tokens if self.search.budget else None
        spent = self.spent.tokens
        if most is None or spent + found.tokens <= most:
            return found
        next_one = f"the next recipe would take {format_count(found.tokens)}"
        if not self.proposals:
            where = f"{self.definition.where}: search.budget.tokens {format_count(most)}"
            raise InputError(where, f"not enough for one: {next_one}", "Give more")
        spent_text = f"{format_count(spent)} of {format_count(most)} tokens"
        self.ended = f"The budget is spent: {spent_text}, and {next_one}."
        return None

    def _over(self) -> str:
        """Why nothing more may be proposed; empty where it may."""
        done, most = len(self.proposals), self.search.trials
        if most is not None and done >= most:
            return f"All {most} trials are proposed."
        budget = self.search.budget
        if budget is None:
            return ""
        hours = (self._clock() - self._began) / 3600
        if budget.hours is not None and hours >= budget.hours:
            return f"The budget is spent: {budget.hours:g} hours."
        dollars = self.spent.dollars or 0.0
        if budget.dollars is not None and dollars >= budget.dollars:
            return f"The budget is spent: {dollars:.2f} of {budget.dollars:.2f} dollars."
        return ""

    def _untried(self) -> Proposal | None:
        """A point that is neither known nor running and can be trained, as the sampler has it.

        The sampler is told again of a point that it proposes again, and of one that cannot be
        trained. Where it does not come away from these, points are drawn at random.
        """
        known = list(self.known)
        results = {self.space.key(each.fields): each for each in known}
        running = [p.fields for p in self._fitting(self.running)]
        waiting = [rung.fields for rung in self.at_rungs]
        tried = {*results, *map(self.space.key, [*running, *waiting])}
        refused: InputError | None = None
        for fields in self._asked(known, running):
            key = self.space.key(fields)
            if key in results:
                known.append(results[key])
            if key in tried:
                continue
            tried.add(key)
            try:
                found = self._resolved(fields)
                if found is not None:
                    return found
            except InputError as error:
                refused = error
                results[key] = Known(fields, None)
                known.append(results[key])
        if refused is not None and not self.proposals:
            raise refused
        return None

    def _asked(self, known: Sequence[Known], running: Sequence[Fields]) -> Iterator[Fields]:
        for attempt in range(_ASKED):
            history = History(tuple(known), running, self.at_rungs)
            yield self._sampler.ask(history, self._seed(attempt))
        drawn = RandomSampler(self.space)
        for attempt in range(_ASKED, _ASKED + _DRAWN):
            yield drawn.ask(History(), self._seed(attempt))

    def _seed(self, attempt: int) -> int:
        """The number from which a proposal is drawn: it depends on its place, and not on when."""
        text = f"{self.search.seed}/{len(self.proposals)}/{attempt}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def _resolved(self, fields: Fields) -> Proposal | None:
        """The point as a proposal with the tokens it would take; None where it is no new training.

        Values may differ and mean the same, such as shares of 1 and 2 in a mixture of one corpus.
        Raises InputError where it cannot be trained.
        """
        number = max((p.number for p in self.definition.proposals), default=-1) + 1
        source, name = self.search.sampler, self.definition.recipe.name
        made = Proposal(number=number, fields=dict(fields), source=source, sweep=name)
        check_rates(
            (v.recipe for v in with_proposals(self.definition, (made,)).variants),
            self.definition.where,
        )
        whole = with_proposals(self.definition, (*self.definition.proposals, made))
        plan = plan_sweeps((whole,), self._storage, self._manifests, self._resolution)
        trained = {label: training.chain for label, training in plan.sweeps[0].trainings.items()}
        added = whole.proposed(number)
        if all(variant.proposals != (number,) for variant in added):
            return None  # other proposals are these recipes already: 5% and 0.05 in a list
        own = {variant.label for variant in added}
        ends = {label: chain.name(chain.steps) for label, chain in trained.items()}
        if {ends[label] for label in own} <= {ends[label] for label in ends if label not in own}:
            return None
        per_step = next(iter(trained.values())).tokens_per_step
        tokens = left_alone(whole, number, plan) * per_step
        return made.model_copy(update={"tokens": tokens})

    def _check_prices(self) -> None:
        budget = self.search.budget
        if budget is None or budget.dollars is None:
            return
        if self._spent is not None and self._spent().dollars is not None:
            return
        raise InputError(
            f"{self.definition.where}: search.budget.dollars {budget.dollars:g}",
            "prices are not known",
            "Give --prices FILE, or a budget of tokens or hours",
        )


def _search_of(definition: Definition) -> Search:
    if definition.recipe.search is None:
        raise ValueError(f"{definition.where} has no search")
    return definition.recipe.search
