"""A sweep that grows: by proposals of a search, by recipes of others, and past its rungs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe.definition import Definition
from raycl.recipe.proposals import add_proposal, read_proposals
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.search.study import Study
from raycl.states.tree_record import read_tree_record
from raycl.storage import Storage
from raycl.sweep.description import progress
from raycl.sweep.growth import NOTHING
from raycl.sweep.pipeline import sweep
from raycl.sweep.recipe_growth import RecipeGrowth
from raycl.sweep.search import SearchRun
from raycl.sweep.steering.record import write_request
from tests.helpers.growing_sweeps import (
    FIELD,
    SEARCH,
    STOPPING,
    GrowingCluster,
    ListedProposals,
    rate_of,
    rates,
)
from tests.helpers.pipeline import prepared_storage
from tests.helpers.recipe_data import defined

RATES = [3e-3, 1e-3, 9e-3, 2e-3, 8e-3, 5e-3, 4e-3, 7e-3, 6e-3]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return prepared_storage(tmp_path / "runs")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> GrowingCluster:
    return GrowingCluster(monkeypatch)


@pytest.fixture
def proposers(monkeypatch: pytest.MonkeyPatch) -> list[ListedProposals]:
    """What has proposed recipes, one for each run of a sweep."""
    return propose(monkeypatch, rates(RATES))


def propose(
    monkeypatch: pytest.MonkeyPatch, listed: Sequence[Mapping[str, Any]]
) -> list[ListedProposals]:
    made: list[ListedProposals] = []

    def make(definition: Definition, storage: Storage, *_: object) -> ListedProposals:
        made.append(ListedProposals(definition, storage, listed))
        return made[-1]

    monkeypatch.setattr("raycl.sweep.search.Study", make)
    return made


def searched(**search: Any) -> Definition:
    return defined(sweep={FIELD: {"log": ["1e-4", "1e-2"]}}, search={**SEARCH, **search})


def silent(_: str) -> None:
    pass


def test_a_search_trains_what_is_proposed_and_tells_it(
    storage: Storage, cluster: GrowingCluster, proposers: list[ListedProposals]
) -> None:
    result = sweep(searched(), storage, report=silent)
    assert list(result.table["status"]) == ["finished"] * 9
    assert sorted(result.table[FIELD]) == sorted(RATES)
    proposer = proposers[-1]
    assert sorted(proposer.told) == list(range(9))
    assert [proposer.told[n].fields[FIELD] for n in range(9)] == RATES
    assert {outcome.status for outcome in proposer.told.values()} == {"finished"}
    assert len(cluster.trained) == 1 + 9  # the first stage is shared
    assert cluster.most_at_once == 2
    assert len(read_tree_record(storage, "small").nodes) == 10


@pytest.mark.usefixtures("proposers")
def test_run_again_it_trains_nothing(storage: Storage, cluster: GrowingCluster) -> None:
    first = sweep(searched(), storage, report=silent)
    told: list[str] = []
    again = sweep(searched(), storage, report=told.append)
    assert len(cluster.trained) == 10
    assert len(cluster.options) == 1  # no second cluster
    assert told[0].startswith("Nothing to train")
    assert again.table.equals(first.table)


@pytest.mark.usefixtures("proposers")
def test_an_interrupted_search_goes_on_with_the_same_recipes(
    storage: Storage, cluster: GrowingCluster
) -> None:
    cluster.interrupt_after = 4
    with pytest.raises(KeyboardInterrupt):
        sweep(searched(), storage, report=silent)
    begun = read_proposals(storage, "small")
    assert 0 < len(begun) < 9
    cluster.interrupt_after = None
    result = sweep(searched(), storage, report=silent)
    assert list(result.table["status"]) == ["finished"] * 9
    assert read_proposals(storage, "small")[: len(begun)] == begun
    names = [node.name for node in cluster.trained]
    assert len(names) == len(set(names)) == 10


def test_a_recipe_that_fails_is_told_and_the_search_goes_on(
    storage: Storage, cluster: GrowingCluster, proposers: list[ListedProposals]
) -> None:
    cluster.fails_at = lambda node: rate_of(node.training) == 9e-3
    result = sweep(searched(), storage, report=silent)
    assert sorted(result.table["status"]) == ["failed"] + ["finished"] * 8
    assert proposers[-1].told[2].status == "failed"
    assert len(result.failed) == 1


def test_equal_recipes_are_told_but_not_trained_twice(
    storage: Storage, cluster: GrowingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposers = propose(monkeypatch, rates([1e-3, 2e-3, 1e-3, 1e-3]))
    result = sweep(searched(), storage, report=silent)
    assert len(cluster.trained) == 3
    assert len(result.table) == 2
    assert sorted(proposers[-1].told) == [0, 1, 2, 3]


def test_poor_recipes_wait_at_their_rungs(
    storage: Storage, cluster: GrowingCluster, proposers: list[ListedProposals]
) -> None:
    """Rungs after 2, 6 and 18 of 20 steps: nine recipes, then the best of them."""
    definition = searched(early_stopping=STOPPING)
    result = sweep(definition, storage, report=silent)
    status = dict(zip(result.table[FIELD], result.table["status"], strict=True))
    assert status[1e-3] == "finished"
    assert sorted(status.values()).count("stopped") == 8
    reached = {n.training.stop - 20 for n in cluster.trained if n.training.stage == "new"}
    assert reached == {2, 6, 18, 20}
    beyond = {rate_of(n.training) for n in cluster.trained if n.training.stop == 26}
    assert {1e-3, 2e-3} <= beyond
    assert len(beyond) < 9
    # The search is told of those that are through, and what all have reached at their rungs.
    rungs = proposers[-1].rungs
    assert sorted({step - 20 for _, step, _ in rungs}) == [2, 6, 18]
    assert len({number for number, step, _ in rungs if step == 22}) == 9
    assert {o.fields[FIELD] for o in proposers[-1].told.values()} == {1e-3}
    told: list[str] = []
    before = len(cluster.trained)
    sweep(definition, storage, report=told.append)
    assert len(cluster.trained) == before
    assert told[0].startswith("Nothing to train")


@pytest.mark.usefixtures("proposers")
def test_a_promoted_recipe_ends_in_the_state_it_has_without_rungs(
    storage: Storage, cluster: GrowingCluster
) -> None:
    sweep(searched(early_stopping=STOPPING), storage, report=silent)
    ends = {node.name for node in cluster.trained}
    sweep(searched(), storage, report=silent)
    plain = [node for node in cluster.trained if node.training.stop == 40]
    assert len({node.name for node in plain}) == 9
    assert sum(node.name in ends for node in plain) == 1


def test_recipes_of_others_are_grafted_onto_a_grid(
    storage: Storage, cluster: GrowingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raycl.sweep.growth.LOOK_SECONDS", 0.0)
    added: list[int] = []

    def add(_: object) -> bool:
        if not added:
            added.append(add_proposal(storage, "small", {FIELD: 7e-3}).number)
        return False

    cluster.fails_at = add
    result = sweep(defined(sweep={FIELD: [1e-3, 2e-3]}), storage, report=silent)
    assert sorted(result.table[FIELD]) == [1e-3, 2e-3, 7e-3]
    assert len(cluster.trained) == 4


@pytest.mark.parametrize("field", ["new.nothing", "execution.micro_batch"])
def test_a_recipe_that_cannot_be_trained_is_left_out(
    storage: Storage, cluster: GrowingCluster, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    monkeypatch.setattr("raycl.sweep.growth.LOOK_SECONDS", 0.0)
    added: list[int] = []

    def add(_: object) -> bool:
        if not added:
            added.append(add_proposal(storage, "small", {field: 7}).number)
        return False

    cluster.fails_at = add
    told: list[str] = []
    result = sweep(defined(sweep={FIELD: [1e-3, 2e-3]}), storage, report=told.append)
    assert list(result.table["status"]) == ["finished"] * 2
    assert any("proposal 0 is left out" in sentence for sentence in told)
    with pytest.raises(InputError, match="proposals/0"):  # the next command says what to do
        sweep(defined(sweep={FIELD: [1e-3, 2e-3]}), storage, report=silent)


def test_a_budget_counts_what_is_trained(
    storage: Storage, cluster: GrowingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recipe has 20 steps of 128 tokens besides the first stage, which is trained once."""
    definition = searched(trials=None, budget={"tokens": 20 * 128 + 3 * 20 * 128})
    made = []

    def study(*arguments: Any) -> Study:
        made.append(Study(*arguments))
        return made[-1]

    monkeypatch.setattr("raycl.sweep.search.Study", study)
    told: list[str] = []
    result = sweep(definition, storage, report=told.append)
    assert len(result.table) == 3
    assert sum(node.steps for node in cluster.trained) == 20 + 3 * 20
    assert made[-1].spent.tokens == 80 * 128
    assert any("The budget is spent" in sentence for sentence in told)
    sweep(definition, storage, report=silent)
    assert len(cluster.trained) == 4


def test_recipes_that_wait_leave_their_tokens_to_others(
    storage: Storage, cluster: GrowingCluster
) -> None:
    """A recipe that waits after 2 of 20 steps has taken 2: so more of them are tried."""
    tokens = 20 * 128 + 3 * 20 * 128
    definition = searched(trials=None, budget={"tokens": tokens}, early_stopping=STOPPING)
    result = sweep(definition, storage, report=silent)
    assert len(result.table) > 6
    trained = sum(node.steps for node in cluster.trained) * 128
    assert trained <= tokens


@pytest.mark.usefixtures("proposers")
def test_status_and_results_tell_who_was_stopped_where(
    storage: Storage, cluster: GrowingCluster
) -> None:
    result = sweep(searched(early_stopping=STOPPING), storage, report=silent)
    notes = result.table["note"][result.table["status"] == "stopped"]
    assert notes.str.contains(r"stopped at step \d+ of 40 by asha, with average 3\.00\d\d").all()
    nodes, problems = progress(storage, "small")
    assert problems == []
    left = [node for node in nodes if not node["finished"]]
    assert len(nodes) - len(left) == len(cluster.trained)
    assert all("stopped at step" in node["told"] for node in left)
    first = next(node for node in left if node["first_step"] == 22)
    assert first["told"] == "stopped at step 22 of 40 by asha"


@pytest.mark.usefixtures("proposers")
def test_what_somebody_resumes_goes_on_in_the_next_run(
    storage: Storage, cluster: GrowingCluster
) -> None:
    definition = searched(early_stopping=STOPPING)
    sweep(definition, storage, report=silent)
    frozen = next(n for n in progress(storage, "small")[0] if not n["finished"])
    write_request(storage, frozen["name"], "resume")
    before = len(cluster.trained)
    sweep(definition, storage, report=silent)
    assert next(node.name for node in cluster.trained[before:]) == frozen["name"]
    told: list[str] = []
    sweep(definition, storage, report=told.append)
    assert told[0].startswith("Nothing to train")


def test_two_processes_share_a_search(
    storage: Storage, cluster: GrowingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one proposes, trains, and lets a recipe pass its rung: this one finds all of it."""
    definition = searched(early_stopping=STOPPING)
    propose(monkeypatch, rates(RATES[:1]))
    begun = SearchRun(storage, silent).begin([definition])
    mine = RecipeGrowth(plan_sweeps(begun, storage), storage, report=silent)
    assert len(mine.tree.recipes) == 1
    propose(monkeypatch, rates(RATES))
    sweep(definition, storage, report=silent)
    added = mine.look()
    assert len(mine.tree.recipes) == 9
    assert {node.name for node in cluster.trained} >= added.finished
    # All that the other one has trained is finished here, or free to be found finished.
    passed = added.finished | added.thawed
    assert {n.name for n in cluster.trained if n.training.stop > 22} <= passed
    assert added.frozen.isdisjoint(passed)
    assert mine.look() == NOTHING


def test_hyperband_lets_some_recipes_wait_later(
    storage: Storage, cluster: GrowingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose(monkeypatch, rates([1e-3 + 1e-4 * number for number in range(20)]))
    stopping = {**STOPPING, "kind": "hyperband", "first": "4 steps"}  # rungs at 4 and 12 of 20
    result = sweep(searched(early_stopping=stopping, trials=20), storage, report=silent)
    own: dict[float, set[int]] = {}
    for node in cluster.trained:
        if node.training.stage == "new":
            own.setdefault(rate_of(node.training), set()).add(node.training.stop - 20)
    first = [min(stops) for stops in own.values()]
    assert first.count(4) > first.count(12) > first.count(20) > 0
    assert (result.table["status"] == "finished").sum() >= first.count(20)
