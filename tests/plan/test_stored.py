"""What a tree needs of stored states: which nodes are finished, which are trained again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from raycl.plan.execution import Execution
from raycl.plan.holding import Holding, holds_enough, most_of, needed_to_go_on
from raycl.plan.stored import StoredTree, states_gone_on_from
from raycl.plan.training import Training
from raycl.plan.tree import Tree, build_tree
from raycl.recipe.trained_again import trained_again
from tests.helpers.training_runs import make_task


def tree_of(**recipes: Training) -> Tree:
    return build_tree(recipes)


def recipe(reset: bool = True, rate: float = 3e-3, keep: str = "all") -> Training:
    task = make_task(stop=8, reset=reset, rates=(1e-2, rate))
    return replace(task, execution=Execution.model_validate({"keep": keep}))


def names(tree: Tree) -> list[str]:
    return [node.name for node in tree.nodes]


@pytest.mark.parametrize(
    ("held", "needed", "serves"),
    [
        ("all", "all", True),
        ("weights", "all", False),
        ("weights", "weights", True),
        ("results", "weights", False),
        ("results", "results", True),
    ],
)
def test_each_use_asks_for_the_least(held: Holding, needed: Holding, serves: bool) -> None:
    assert holds_enough(held, needed) is serves
    assert most_of(held, needed) == (held if serves else needed)


def test_a_hand_off_that_resets_needs_the_weights_alone() -> None:
    assert (needed_to_go_on(True), needed_to_go_on(False)) == ("weights", "all")


@pytest.mark.parametrize(
    ("holdings", "reset", "finished", "steps_again"),
    [
        ({}, False, True, 0),
        ({0: "weights"}, True, True, 0),
        ({0: "weights"}, False, False, 4),
        ({0: "results"}, True, False, 4),
        ({0: "results"}, False, False, 4),
    ],
)
def test_a_trunk_counts_where_it_serves_what_is_left(
    holdings: Mapping[int, Holding], reset: bool, finished: bool, steps_again: int
) -> None:
    tree = tree_of(a=recipe(reset), b=recipe(reset, 1e-3))
    trunk = tree.nodes[0]
    held = {names(tree)[place]: value for place, value in holdings.items()}
    stored = StoredTree(tree, names(tree)[:2], held)  # the leaf of `b` is left
    assert (trunk.name in stored.finished) is finished
    assert trunk.steps - stored.done(trunk) == steps_again
    assert len(trained_again(stored, tree)) == (not finished)


def test_a_finished_tree_needs_nothing_but_its_results() -> None:
    tree = tree_of(a=recipe(False), b=recipe(False, 1e-3))
    stored = StoredTree(tree, names(tree), dict.fromkeys(names(tree), "results"))
    assert stored.finished == set(names(tree))
    assert trained_again(stored, tree) == []


def test_a_node_that_has_begun_does_not_need_its_parent() -> None:
    tree = tree_of(a=recipe(False))
    trunk, leaf = tree.nodes
    inside = leaf.training.chain.name(6)
    stored = StoredTree(tree, [trunk.name, inside], {trunk.name: "results"})
    assert stored.finished == {trunk.name}
    assert stored.done(leaf) == 2
    # A state inside a node serves only with the optimizer.
    light = StoredTree(tree, [trunk.name, inside], {inside: "weights"})
    assert light.done(leaf) == 0
    (sentence,) = trained_again(light, tree)
    assert "after step 6 holds weights alone" in sentence
    assert "2 steps are trained again" in sentence


def test_need_goes_up_as_far_as_what_holds_too_little() -> None:
    tree = tree_of(a=recipe(False), b=recipe(False, 1e-3))
    longer = tree_of(a=recipe(False), b=recipe(False, 1e-3), c=recipe(False, 2e-3))
    trunk = tree.nodes[0]
    held: dict[str, Holding] = {trunk.name: "weights"}
    assert StoredTree(tree, names(tree), held).finished == set(names(tree))
    later = StoredTree(longer, names(tree), held)
    assert later.least == {trunk.name: "all"}
    assert later.finished == set(names(tree)) - {trunk.name}


def test_the_optimizer_is_left_out_only_where_nothing_goes_on_with_it() -> None:
    carried = tree_of(a=recipe(False, keep="weights"), b=recipe(False, 1e-3, keep="weights"))
    assert [node.training.end for node in carried.nodes] == ["all", "weights", "weights"]
    reset = tree_of(a=recipe(keep="weights"), b=recipe(rate=1e-3, keep="weights"))
    assert {node.training.end for node in reset.nodes} == {"weights"}
    mixed = tree_of(a=recipe(keep="weights"), b=recipe(rate=1e-3))
    assert [node.training.end for node in mixed.nodes] == ["all", "weights", "all"]
    assert names(carried) == names(tree_of(a=recipe(False), b=recipe(False, 1e-3)))


def test_marks_of_leaves_are_not_read() -> None:
    tree = tree_of(a=recipe(), b=recipe(rate=1e-3))
    assert states_gone_on_from(tree, names(tree)) == [tree.nodes[0].name]
    assert states_gone_on_from(tree, []) == []
