"""A sweep grows by recipes: those that others add to it, and those that a search proposes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from raycl.errors import InputError
from raycl.plan.graft import graft
from raycl.plan.tree import Node
from raycl.recipe import Variant
from raycl.recipe.definition import trainings, with_proposals
from raycl.recipe.proposals import Proposal, read_new
from raycl.recipe.sweep_plan import SweepPlan
from raycl.results.at_rung import value_at
from raycl.results.gather import gather
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from raycl.sweep.costs import dollars_for
from raycl.sweep.description import add_to_description
from raycl.sweep.growth import NOTHING, Addition, startable
from raycl.sweep.in_training import in_training
from raycl.sweep.proposer import Proposer
from raycl.sweep.scoring import Scores
from raycl.sweep.steering.record import thawed
from raycl.sweep.stored_nodes import with_what_is_stored
from raycl.sweep.waiting import Waiting

_MOST_AT_ONCE = 100
"""Proposals in a row that add nothing to train, after which a worker is left free for a while."""


class RecipeGrowth:
    """What is added to the tree of one sweep; the implementation of `raycl.sweep.growth.Growth`.

    Recipes that others have added are looked for in storage. Where there is a `proposer` it is
    asked for recipes whenever a worker is free, and told of each that ends. Where the search stops
    recipes early, they wait at their rungs until they are among the best there. Where it needs
    `scores`, a recipe is told when its last state is scored, and nothing is proposed before all
    that storage had at the beginning is.
    """

    def __init__(
        self,
        plan: SweepPlan,
        storage: Storage,
        proposer: Proposer | None = None,
        report: Callable[[str], None] = print,
        scores: Scores | None = None,
    ) -> None:
        (self._planned,) = plan.sweeps
        self._storage, self._proposer, self._report = storage, proposer, report
        self._resolution = plan.resolution
        self.definition = self._planned.definition
        """The recipe file with all that is known to be added."""
        self.tree = plan.tree
        self._nodes = {node.name: node for node in plan.tree.nodes}
        self._finished = set(plan.stored.finished)
        self._states = StoredStates(storage, self._finished)
        self._unusable: set[int] = set()
        """Proposals of which no training can be made."""
        self._failed: set[int] = set()
        """Proposals that were told as failed."""
        self._scores = scores
        self._has_company = False
        """Whether somebody else adds recipes while this sweep is trained."""
        self._told: set[int] = {
            number
            for v in self._variants()
            if self._is_through(v) and self._is_scored(v)
            for number in v.proposals
        }
        self._early = scores.waiting if scores else frozenset()
        """States of the storage that are to be scored before anything is proposed."""
        search = self.definition.recipe.search
        dollars = partial(dollars_for, storage, self.definition.recipe.name)
        self._waiting = Waiting(search, self._value_at, lambda: self.tokens_spent, dollars)
        self._waiting.enter(self.definition, self.tree.recipes)
        self._frozen: frozenset[str] = frozenset()
        self._remember(plan)
        self._frozen = self._frozen_now()

    @property
    def frozen(self) -> frozenset[str]:
        """Nodes beyond the rungs at which their recipes wait."""
        return self._frozen

    @property
    def proposes(self) -> bool:
        """Whether a search goes on."""
        return self._proposer is not None and not getattr(self._proposer, "ended", "")

    @property
    def has_work(self) -> bool:
        """Whether a node is left that neither is frozen nor lies below one that is."""
        return startable(self.tree.nodes, self._finished, self._frozen)

    @property
    def measuring(self) -> int:
        """How many states are being scored now."""
        return self._scores.under_way if self._scores else 0

    @property
    def awaits(self) -> int:
        """How many scores are to come."""
        return len(self._scores.waiting) if self._scores else 0

    def measure(self, places: int) -> bool:
        """Score states on at most so many more places, and tell of those that are through."""
        ended = self._scores.go_on(places) if self._scores else frozenset()
        if ended and self._proposer is not None:
            self._proposer.learn(ended)
        for variant in self._proposed() if ended else ():
            if self._end(variant) in ended:
                self._tell(variant)
        return bool(ended)

    def look(self) -> Addition:
        """The nodes of recipes that others have added, or let pass their rungs.

        A listing; one of the leases where recipes wait, and one of the states, where others train
        this sweep too.
        """
        added = self._include(self._unseen())
        passed = self._passed_elsewhere()
        self._let_pass(passed)
        self._frozen -= passed
        return replace(added, thawed=added.thawed | passed)

    def more(self, idle: bool) -> Addition:
        """Let the best recipes pass their rungs; where none may, a new recipe is proposed."""
        while self._waiting.promote():
            if added := self._thaw():
                return added
        if added := self._propose():
            return added
        if not idle:
            return NOTHING
        self._has_company = True  # the sweep ends, unless others have left something to wait for
        if added := self.look():
            return added
        if not any(map(self._is_through, self._proposed())):
            while self._waiting.promote_last():
                if added := self._thaw():
                    return added
        return NOTHING

    @property
    def tokens_spent(self) -> int:
        """Tokens that the proposals of a search have taken, or will before they wait at a rung."""
        waiting = sum(
            node.steps * node.training.chain.tokens_per_step
            for node in self._nodes.values()
            if node.name in self._frozen and node.name not in self._finished
        )
        return sum(made.tokens for made in self.definition.proposals) - waiting

    def ended(self, name: str) -> None:
        """Tell of the recipes that have come to their end, or to a rung, with this node."""
        if name not in self._finished and name in self._nodes:
            self._finished.add(name)
            self._states.know([name])
            self._arrived(self._nodes[name])

    def lost(self, reasons: Mapping[str, str]) -> None:
        """Tell of the recipes that cannot be trained any more."""
        labels = {label for name in reasons for label in self._nodes[name].recipes}
        for variant in self._proposed():
            if variant.label in labels:
                self._tell(variant, frozenset(labels))

    def _variants(self) -> Iterable[Variant]:
        return (v for v in self.definition.variants if v.label in self.tree.recipes)

    def _proposed(self) -> Iterable[Variant]:
        return (v for v in self._variants() if v.proposals and v.kind == "sweep")

    def _is_through(self, variant: Variant) -> bool:
        return self._end(variant) in self._finished

    def _end(self, variant: Variant) -> str:
        chain = self.tree.recipes[variant.label].chain
        return chain.name(chain.steps)

    def _is_scored(self, variant: Variant) -> bool:
        """Whether no score of the last state of a finished recipe is to come."""
        if self._scores is None or not variant.proposals or variant.kind != "sweep":
            return True
        return self._scores.has(self._end(variant))

    def _propose(self) -> Addition:
        if self._scores is not None and self._early & self._scores.waiting:
            return NOTHING  # the sampler is to know them
        for _ in range(_MOST_AT_ONCE if self._proposer else 0):
            awaited = self.awaits
            made = self._proposer.propose() if self._proposer else None
            if made is None:
                break
            # A recipe that storage has entirely is told at once, and the next one is asked for.
            if added := self._include((*self._before(made), made)):
                return added
            if self.awaits > awaited:
                break  # what it is worth is soon known
        return NOTHING

    def _before(self, made: Proposal) -> tuple[Proposal, ...]:
        """What others have added under lower numbers: labels and tree depend on the order."""
        known = {each.number for each in self.definition.proposals} | self._unusable
        if known.issuperset(range(made.number)):
            return ()
        return tuple(each for each in self._unseen() if each.number < made.number)

    def _unseen(self) -> tuple[Proposal, ...]:
        """What others have added since the storage was read. One listing, and a read of each."""
        known = {made.number for made in self.definition.proposals} | self._unusable
        new = read_new(self._storage, self.definition.recipe.name, known)
        self._has_company |= bool(new)
        return new

    def _passed_elsewhere(self) -> frozenset[str]:
        """Frozen nodes that others train, or have trained: they have let them pass their rungs.

        The frontier is told, and waits for them or finds them finished.
        """
        if not self._frozen:
            return frozenset()
        found = in_training(self._storage, self._frozen)
        self._has_company |= bool(found)
        if self._has_company:
            found |= frozenset(complete_states(self._storage, self._frozen))
        return found

    def _let_pass(self, nodes: Iterable[str]) -> None:
        for name in nodes:
            for label in self._nodes[name].recipes:
                self._waiting.passed(label, self._nodes[name].training.start)

    def _include(self, proposals: Sequence[Proposal]) -> Addition:
        """Graft recipes onto the tree, one by one, since one that cannot be trained is no loss."""
        found = [self._include_one(made) for made in proposals]
        return Addition(
            tuple(node for added in found for node in added.nodes),
            frozenset().union(*(added.finished for added in found)),
            frozenset().union(*(added.frozen for added in found)) & self._frozen,
            frozenset().union(*(added.thawed for added in found)),
        )

    def _include_one(self, proposal: Proposal) -> Addition:
        try:
            return self._grafted(proposal)
        except InputError as error:
            self._unusable.add(proposal.number)
            self._report(f"proposal {proposal.number} is left out: {error}")
            return NOTHING

    def _grafted(self, proposal: Proposal) -> Addition:
        known = self.definition.proposals
        definition = with_proposals(self.definition, (*known, proposal))
        new = tuple(v for v in definition.variants if v.label not in self.tree.recipes)
        facts = self._planned.facts
        made = trainings(replace(definition, variants=new), facts, self._resolution) if new else {}
        grown = graft(self.tree, made, self._waiting.enter(definition, made))
        nodes, finished = with_what_is_stored(grown.added, self._storage)
        self.definition, self.tree = definition, grown.tree
        self._nodes |= {node.name: node for node in grown.tree.nodes}
        self._finished |= finished
        self._states.know(finished)
        self._settle(proposal)
        before, now = self._frozen, self._frozen_now()
        frozen = now.intersection(node.name for node in nodes)
        self._frozen = (before & now) | frozen
        if nodes:
            add_to_description(self._storage, definition.recipe.name, self.tree)
        # A node at which others wait is free where this recipe may pass it.
        return Addition(nodes, finished, frozen, before - now - self._finished)

    def _settle(self, proposal: Proposal) -> None:
        """Note how far the recipe of a proposal is already."""
        for variant in self.definition.proposed(proposal.number):
            for node in self.tree.path(variant.label):
                if node.name in self._finished:
                    self._arrived(node, only=variant.label)

    def _remember(self, plan: SweepPlan) -> None:
        """Note which rungs recipes have reached and passed, and which somebody lets them pass."""
        for node in self.tree.nodes:
            for label in node.recipes:
                if plan.stored.done(node):
                    self._waiting.passed(label, node.training.start)
                if node.name in self._finished:
                    self._waiting.reached(label, node.training.stop)
        self._let_pass(thawed(self._storage, self._frozen_now()))

    def _arrived(self, node: Node, only: str | None = None) -> None:
        for variant in self._proposed():
            if variant.label not in node.recipes or only not in (None, variant.label):
                continue
            step = node.training.stop
            value = self._waiting.reached(variant.label, step)
            if value is not None and self._proposer is not None:
                for number in variant.proposals:
                    self._proposer.reached(number, step, value)
            if self._is_through(variant):
                self._tell(variant)

    def _value_at(self, label: str, step: int, metric: str) -> float:
        variant = next(v for v in self._variants() if v.label == label)
        return value_at(self._outcome(variant), step, metric)

    def _tell(self, variant: Variant, failed: frozenset[str] = frozenset()) -> None:
        if not failed and not self._is_scored(variant):
            return  # until it is
        told = self._told if failed else self._told - self._failed  # it may have been retried
        new = [number for number in variant.proposals if number not in told]
        if self._proposer is None or not new:
            return
        outcome = self._outcome(variant, failed)
        for number in new:
            self._told.add(number)
            (self._failed.add if failed else self._failed.discard)(number)
            self._proposer.tell(number, outcome)

    def _outcome(self, variant: Variant, failed: frozenset[str] = frozenset()) -> RecipeOutcome:
        one = replace(
            self._planned,
            definition=replace(self.definition, variants=(variant,)),
            trainings={variant.label: self.tree.recipes[variant.label]},
            merges=(),
        )
        found = gather(one, self._states, failed)
        return next(outcome for outcome in found if outcome.label == variant.label)

    def _frozen_now(self) -> frozenset[str]:
        left = [node for node in self._nodes.values() if node.name not in self._finished]
        return self._waiting.frozen(left)

    def _thaw(self) -> Addition:
        """The nodes that were frozen, and are not any more."""
        now = self._frozen_now()
        thawed, self._frozen = self._frozen - now, now
        return Addition(thawed=thawed - self._finished)
