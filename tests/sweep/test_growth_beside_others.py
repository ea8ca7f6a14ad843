"""A growing sweep whose nodes others retry, number or share."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from raycl.plan.early_stopping import bracket_of
from raycl.recipe.definition import Definition, with_stored_proposals
from raycl.recipe.proposals import Proposal, add_proposal
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.outcome import RecipeOutcome
from raycl.states.tree_record import read_tree_record
from raycl.storage import Storage, layout
from raycl.sweep.description import write_description
from raycl.sweep.growth import NOTHING
from raycl.sweep.leases import Leases
from raycl.sweep.recipe_growth import RecipeGrowth
from raycl.sweep.search import SearchRun
from tests.helpers.growing_sweeps import FIELD, SEARCH, STOPPING
from tests.helpers.pipeline import prepared_storage
from tests.helpers.recipe_data import changed, defined


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return prepared_storage(tmp_path / "runs")


class OneProposal:
    """Proposes one recipe, and remembers what it is told."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.told: list[tuple[int, str]] = []

    def propose(self) -> Proposal | None:
        return add_proposal(self._storage, "small", {FIELD: 5e-3}, "list")

    def tell(self, number: int, outcome: RecipeOutcome) -> None:
        self.told.append((number, outcome.status))

    def reached(self, number: int, step: int, value: float) -> None:
        raise AssertionError(f"{number}, {step}, {value}: no recipe of these tests has a rung")

    def learn(self, states: Collection[str]) -> None:
        raise AssertionError(f"{states}: nothing is scored in these tests")


def growth(definition: Definition, storage: Storage) -> tuple[RecipeGrowth, OneProposal]:
    proposer = OneProposal(storage)
    plan = plan_sweeps((with_stored_proposals(definition, storage),), storage)
    return RecipeGrowth(plan, storage, proposer), proposer


def test_a_recipe_that_was_retried_is_told_again(storage: Storage) -> None:
    definition = defined(sweep={FIELD: {"log": ["1e-4", "1e-2"]}}, search=SEARCH)
    add_proposal(storage, "small", {FIELD: 1e-3})
    growing, proposer = growth(definition, storage)
    first, last = growing.tree.nodes
    growing.ended(first.name)
    growing.lost({last.name: "its process died"})
    growing.ended(last.name)
    growing.ended(last.name)
    assert [number for number, _ in proposer.told] == [0, 0]
    assert proposer.told[0][1] == "failed"
    assert proposer.told[1][1] != "failed"


def test_recipes_are_grafted_by_their_numbers(storage: Storage) -> None:
    """Another process has proposed meanwhile: every command has to find the same tree."""
    definition = defined(sweep={FIELD: {"log": ["1e-4", "1e-2"]}}, search=SEARCH)
    add_proposal(storage, "small", {FIELD: 1e-3})
    growing, _ = growth(definition, storage)
    add_proposal(storage, "small", {FIELD: 2e-3})
    added = growing.more(idle=True)
    assert [made.number for made in growing.definition.proposals] == [0, 1, 2]
    assert growing.definition == with_stored_proposals(definition, storage)
    assert len(added.nodes) == 2


def test_a_shared_node_is_free_when_one_of_its_recipes_may_pass(storage: Storage) -> None:
    """Lengths of a stage at a constant rate: the longer recipe begins with the shorter one's."""
    stopping = {**STOPPING, "kind": "hyperband", "first": "4 steps"}
    later = next(number for number in range(20) if bracket_of(number, 3, 3) == 1)
    definition = defined(
        sweep={"new.steps": [20, 24]},
        search={**SEARCH, "early_stopping": stopping},
        stages=changed(1, schedule={"kind": "constant", "max_lr": "1e-3"})["stages"],
    )
    add_proposal(storage, "small", {"new.steps": 20})
    growing, _ = growth(definition, storage)
    frozen = next(node for node in growing.tree.nodes if node.training.start == 24)
    assert frozen.name in growing.frozen
    for _ in range(later - 1):
        add_proposal(storage, "small", {"new.steps": 20})
    growing.look()
    assert frozen.name in growing.frozen
    add_proposal(storage, "small", {"new.steps": 24})
    added = growing.look()
    assert frozen.name in added.thawed
    assert frozen.name not in growing.frozen


def test_before_a_sweep_ends_it_takes_in_what_others_have_proposed(storage: Storage) -> None:
    """Another process has made the last proposals: this one waits for them too."""
    definition = defined(sweep={FIELD: {"log": ["1e-4", "1e-2"]}}, search=SEARCH)
    add_proposal(storage, "small", {FIELD: 1e-3})
    growing, proposer = growth(definition, storage)
    add_proposal(storage, "small", {FIELD: 2e-3})
    proposer.propose = lambda: None  # type: ignore[method-assign]
    assert growing.more(idle=False) == NOTHING
    assert len(growing.more(idle=True).nodes) == 1
    assert growing.definition == with_stored_proposals(definition, storage)
    assert growing.more(idle=True) == NOTHING


def test_a_sweep_waits_for_what_others_have_let_pass_its_rung(storage: Storage) -> None:
    definition = defined(
        sweep={FIELD: {"log": ["1e-4", "1e-2"]}}, search={**SEARCH, "early_stopping": STOPPING}
    )
    add_proposal(storage, "small", {FIELD: 1e-3})
    growing, proposer = growth(definition, storage)
    proposer.propose = lambda: None  # type: ignore[method-assign]
    trained, waiting = [n.name for n in growing.tree.nodes if n.name in growing.frozen][:2]
    with Leases(storage) as other:
        assert other.take(trained)
        assert growing.look().thawed == {trained}
    assert growing.frozen.isdisjoint({trained})
    assert waiting in growing.frozen
    storage.write_bytes(layout.state_mark(waiting), b"")
    assert growing.more(idle=True).thawed == {waiting}


def test_a_search_begins_with_all_that_others_have_just_proposed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both commands begin at once: this one's first proposal comes after the other's."""
    definition = defined(sweep={FIELD: {"log": ["1e-4", "1e-2"]}}, search=SEARCH)

    def late(*_: object) -> OneProposal:
        add_proposal(storage, "small", {FIELD: 1e-3}, "list")
        return OneProposal(storage)

    monkeypatch.setattr("raycl.sweep.search.Study", late)
    (begun,) = SearchRun(storage, lambda _: None).begin((definition,))
    assert [made.number for made in begun.proposals] == [0, 1]


def test_what_another_command_has_described_anew_is_whole_at_the_end(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began before this one proposed, and wrote its description afterwards."""
    monkeypatch.setattr("raycl.sweep.search.Study", lambda *_: OneProposal(storage))
    definition = defined(sweep={FIELD: {"log": ["1e-4", "1e-2"]}}, search=SEARCH)
    add_proposal(storage, "small", {FIELD: 1e-3})
    plan = plan_sweeps((with_stored_proposals(definition, storage),), storage)
    run = SearchRun(storage, lambda _: None)
    growing = run.growth(plan)
    assert growing is not None
    assert growing.more(idle=True)
    write_description(plan.sweeps[0].definition, storage, plan.tree)
    grown = run.grown(plan)
    described = {node.name for node in read_tree_record(storage, "small").nodes}
    assert described == {node.name for node in grown.tree.nodes}


def test_merges_of_recipes_that_were_proposed_are_described_at_the_end(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raycl.sweep.search.Study", lambda *_: OneProposal(storage))
    definition = defined(
        sweep={FIELD: {"log": ["1e-4", "1e-2"]}}, search=SEARCH, merge={"with": "old"}
    )
    add_proposal(storage, "small", {FIELD: 1e-3})
    plan = plan_sweeps((with_stored_proposals(definition, storage),), storage)
    (planned,) = plan.sweeps
    write_description(planned.definition, storage, plan.tree, planned.merges)
    run = SearchRun(storage, lambda _: None)
    growing = run.growth(plan)
    assert growing is not None
    assert growing.more(idle=True)
    (grown,) = run.grown(plan).sweeps
    described = read_tree_record(storage, "small").merges
    assert [merge.name for merge in described] == [merge.name for merge in grown.merges]
    assert [merge.recipe for merge in described] == ["max_lr 0.001", "max_lr 0.005"]
