"""What a sweep costs grows with its size and not faster: work is counted at two sizes."""

from __future__ import annotations

import cProfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import made_up_sweeps
from benchmarks.counted_requests import CountedStorage
from raycl.plan import chain_hash, stage
from raycl.plan.cost import make_plan
from raycl.plan.state_index import StateIndex
from raycl.plan.tree import Tree
from raycl.recipe.definition import corpus_facts, make_tree
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.gather import gather
from raycl.results.report import learning_rate, loss_by_tokens, trade
from raycl.results.report.figures import draw_figures
from raycl.results.report.labels import TOO_MANY
from raycl.results.stored_states import StoredStates
from raycl.sweep.claims import NodeClaims
from raycl.sweep.frontier import Frontier
from raycl.sweep.leases import Leases
from raycl.sweep.tune_scheduler import LiveTrials
from tests.helpers import made_up

SMALL, LARGE = 100, 300
STEPS = 300


def planned(nodes: int, steps: int = STEPS) -> Tree:
    definition = made_up_sweeps.sweep_of(nodes, steps)
    tree = make_tree(definition, corpus_facts(definition, None))
    make_plan(tree, [node.name for node in tree.nodes])
    assert len(tree.nodes) == pytest.approx(nodes, rel=0.02)
    return tree


def calls(work: Callable[[], Any]) -> int:
    """Calls of functions, Python's own included."""
    profile = cProfile.Profile()
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats())


def test_planning_makes_as_many_calls_a_node_however_many_there_are() -> None:
    planned(SMALL)  # what is kept between definitions is there from here on
    few, many = calls(lambda: planned(SMALL)), calls(lambda: planned(LARGE))
    assert many / LARGE < 1.1 * few / SMALL


def test_comparing_each_with_each_would_be_noticed() -> None:
    def work(size: int) -> int:
        return calls(lambda: [len((a, b)) for a in range(size) for b in range(size)])

    assert work(LARGE) / LARGE > 2 * work(SMALL) / SMALL


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps whose words were made, by call."""
    steps: list[int] = []
    plain = stage.step_words

    def counted(of: Any, start: int, stop: int, *rest: Any) -> Any:
        steps.append(stop - start)
        return plain(of, start, stop, *rest)

    monkeypatch.setattr(chain_hash, "step_words", counted)
    return steps


def test_a_step_is_hashed_once_for_all_recipes_that_share_it(hashed: list[int]) -> None:
    tree = planned(LARGE, STEPS + 1)  # which nobody has hashed before
    # The recipes alone have three times as many.
    assert tree.steps < sum(hashed) < 1.1 * tree.steps
    assert tree.steps_alone > 2.5 * tree.steps


def test_a_trunk_is_hashed_once_however_many_anneals_leave_it(hashed: list[int]) -> None:
    trunk, length, branches = 9000, 40, 60
    definition = made_up_sweeps.anneals_of(branches, trunk, length)
    tree = make_tree(definition, corpus_facts(definition, None))
    assert len(tree.nodes) == 2 * branches
    assert tree.steps <= trunk + branches * length
    # Each branch's words begin with the block in which it leaves.
    assert sum(hashed) < trunk + branches * (length + 2 * chain_hash.BLOCK)
    assert tree.steps_alone > 25 * tree.steps


def test_each_state_is_looked_for_where_it_can_be() -> None:
    """And not every state along every chain."""

    class Steps:
        asked = 0

        def name(self, step: int) -> str:
            Steps.asked += 1
            return f"{step:09d}-{'0' * 32}"

    index = StateIndex(f"{step:09d}-{'0' * 32}" for step in range(0, 10_000, 10))
    for start in range(0, 10_000, 100):
        assert len(list(index.along(Steps(), start + 100, above=start))) in (9, 10)
    assert Steps.asked < 1_001


def walk(tree: Tree, storage: CountedStorage) -> Counter[str]:
    """The requests of a driver that takes every node, and of what a trial asks and leaves."""
    with Leases(storage) as leases:
        frontier = Frontier(tree.nodes, claims=NodeClaims(storage, leases))
        while (node := frontier.next()) is not None:
            assert leases.claim(node.name).is_valid()
            made_up_sweeps.write_state(node.training, storage)
            frontier.complete(node.name)
    assert not frontier.waiting
    return storage.requests()


def test_requests_of_a_sweep_and_of_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed: list[dict[str, float]] = []
    for size in (SMALL // 5, SMALL):
        monkeypatch.setattr(made_up_sweeps, "_GRIDS", {size: (3, size // 3)})
        definition = made_up_sweeps.sweep_of(size, STEPS // 10)
        tree = make_tree(definition, corpus_facts(definition, None))
        storage = CountedStorage(str(tmp_path / f"{size}"), str(tmp_path / f"log-{size}"))
        a_node = walk(tree, storage)
        plan = plan_sweeps((definition,), storage)
        outcomes = gather(plan.sweeps[0], StoredStates(storage, plan.states))
        assert len(outcomes) == len(tree.recipes)
        a_recipe = storage.requests() - a_node
        needed.append(
            {f"sweep {kind}": round(number / len(tree.nodes), 1) for kind, number in a_node.items()}
            | {f"gather {kind}": number / len(tree.recipes) for kind, number in a_recipe.items()}
        )
    few, many = needed
    assert {kind for kind in many if many[kind] > 1.01 * few.get(kind, 0)} == set()
    assert sum(value for kind, value in many.items() if kind.startswith("sweep")) == 6
    assert many["gather read states"] < 2.5


def test_the_next_trial_is_looked_for_among_the_living() -> None:
    running, first, second = (
        SimpleNamespace(status=status, trial_id=f"a_0000{number}")
        for number, status in enumerate(("RUNNING", "PENDING", "PENDING"))
    )
    living = [running, second, first]
    controller = SimpleNamespace(get_live_trials=lambda: living)  # and nothing else
    scheduler: Any = LiveTrials()
    assert scheduler.choose_trial_to_run(controller) is first
    first.status = "PAUSED"
    assert scheduler.choose_trial_to_run(controller) is second
    living = [running, first]
    assert scheduler.choose_trial_to_run(controller) is first
    living = [running]
    assert scheduler.choose_trial_to_run(controller) is None


def test_figures_of_many_recipes_keep_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name takes a line's height: those of 1,000 recipes would take 40,000 pixels."""

    def heights(count: int) -> dict[str, float]:
        outcomes = [
            replace(made_up.recipe(f"recipe {number}", 0.0, 2.0, 0.1), fields={"seed": number})
            for number in range(count)
        ]
        drawn = draw_figures(outcomes)
        losses = [drawing for drawing in drawn if drawing.name.startswith("loss")]
        assert {TOO_MANY in drawing.caption for drawing in losses} == {count > 5}
        return {drawing.name: drawing.figure.get_figheight() for drawing in drawn}

    monkeypatch.setattr(loss_by_tokens, "MOST_NAMED", 5)
    monkeypatch.setattr(learning_rate, "MOST_NAMED", 5)
    monkeypatch.setattr(trade, "MOST_NAMED", 5)
    assert heights(5).keys() == heights(12).keys()
    assert heights(30) == heights(12)
