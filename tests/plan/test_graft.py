"""A tree that grows by recipes: what is there stays, and nothing is trained twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.execution import Execution
from raycl.plan.graft import graft
from raycl.plan.training import Training
from raycl.plan.tree import Tree, build_tree
from tests.plan.test_tree import check, stage, sweeps, training

EMPTY = Tree((), {})


def spans(tree: Tree) -> list[tuple[int, int, tuple[str, ...]]]:
    """First step, last step and recipes of each node."""
    return [(n.training.start, n.training.stop, n.recipes) for n in tree.nodes]


def test_a_recipe_goes_on_from_the_deepest_end_that_is_there() -> None:
    first, other = stage(100), stage(50, rate=2e-3)
    tree = build_tree({"a": training(first, stage(50)), "b": training(first)})
    grown = graft(tree, {"c": training(first, other)})
    assert spans(grown.tree) == [
        (0, 100, ("a", "b", "c")),
        (100, 150, ("a",)),
        (100, 150, ("c",)),
    ]
    assert grown.added == grown.tree.nodes[2:]
    assert grown.added[0].parent == tree.nodes[0].name


def test_a_recipe_that_is_there_adds_nothing_but_its_label() -> None:
    tree = build_tree({"a": training(stage(100))})
    grown = graft(tree, {"b": training(stage(100))})
    assert grown.added == ()
    assert spans(grown.tree) == [(0, 100, ("a", "b"))]
    assert set(grown.tree.recipes) == {"a", "b"}


def test_a_node_that_is_there_keeps_its_end() -> None:
    """Both share 60 steps, but a node of 100 steps may be trained already."""
    tree = build_tree({"a": training(stage(100))})
    grown = graft(tree, {"b": training(stage(60))})
    assert spans(grown.tree) == [(0, 100, ("a",)), (0, 60, ("b",))]


def test_nodes_end_at_cuts() -> None:
    recipe = training(stage(30), stage(100))
    grown = graft(EMPTY, {"a": recipe}, {"a": (40, 60, 130, 999)})
    assert [span[:2] for span in spans(grown.tree)] == [(0, 30), (30, 40), (40, 60), (60, 130)]
    check(grown.tree, {"a": recipe})


def test_a_recipe_shares_what_lies_before_a_cut_of_another() -> None:
    """Both train at one constant rate, one of them for longer."""
    tree = graft(EMPTY, {"a": training(stage(100))}, {"a": (10, 30)}).tree
    grown = graft(tree, {"b": training(stage(50))}, {"b": (5, 15)})
    assert spans(grown.tree)[-1] == (30, 50, ("b",))
    assert len(grown.added) == 1


def test_an_end_that_is_gone_on_from_keeps_the_optimizer() -> None:
    def light(*stages: object) -> Training:
        made = training(*stages)  # type: ignore[arg-type]
        return replace(made, execution=Execution(keep="weights"))

    tree = build_tree({"a": light(stage(10))})
    assert tree.nodes[0].training.end == "weights"
    grown = graft(tree, {"b": light(stage(10), stage(10, reset=False))})
    assert [node.training.end for node in grown.tree.nodes] == ["all", "weights"]


@settings(max_examples=60, deadline=None)
@given(sweeps(), st.integers(0, 7), st.sets(st.integers(1, 40)))
def test_every_step_of_each_recipe_is_on_its_path(
    recipes: Mapping[str, Training], known: int, cut: set[int]
) -> None:
    cuts = dict.fromkeys(recipes, cut)
    base = dict(list(recipes.items())[:known])
    later = {label: made for label, made in recipes.items() if label not in base}
    tree = build_tree(base, cuts=cuts)
    check(tree, base)
    grown = graft(tree, later, cuts)
    check(grown.tree, recipes)
    assert [node.name for node in grown.tree.nodes[: len(tree.nodes)]] == [
        node.name for node in tree.nodes
    ]
    for label, recipe in recipes.items():
        ends = {node.training.stop for node in grown.tree.path(label)}
        assert {step for step in cut if step < recipe.chain.steps} <= ends | {0} or label in later


@settings(max_examples=40, deadline=None)
@given(sweeps(), st.sets(st.integers(1, 40)))
def test_one_after_another_is_the_same_as_all_at_once(
    recipes: Mapping[str, Training], cut: set[int]
) -> None:
    cuts = dict.fromkeys(recipes, cut)
    tree = EMPTY
    for label, recipe in recipes.items():
        tree = graft(tree, {label: recipe}, cuts).tree
    assert tree == graft(EMPTY, recipes, cuts).tree
