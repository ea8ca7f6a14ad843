"""Trees: every step that recipes share is trained once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.chain import Chain, ChainStage
from raycl.plan.mixture import Mixture, Source
from raycl.plan.optimizer import Optimizer
from raycl.plan.schedule import Constant, Cosine
from raycl.plan.training import ModelSpec, Training
from raycl.plan.tree import Tree, build_tree

PRINTS = {"old": "1" * 16, "new": "2" * 16}
ROWS = 10**9


def stage(  # noqa: PLR0913 - the fields of a stage in which recipes may differ
    steps: int,
    rate: float = 1e-3,
    replay: Fraction = Fraction(0),
    reset: bool = True,
    workers: int = 1,
    new: str = "new",
    cosine: bool = False,
    name: str = "s",
) -> ChainStage:
    sources = [Source(new, Fraction(1), limit=ROWS)]
    if replay:
        sources.append(Source("old", Fraction(1), True, limit=ROWS, at_end="repeat"))
    schedule = Cosine(max_lr=rate) if cosine else Constant(max_lr=rate)
    return ChainStage(name, steps, schedule, Mixture(sources, 16, replay), reset, workers)


def training(*stages: ChainStage, seed: int = 0) -> Training:
    chain = Chain({"seed": seed}, stages, PRINTS, 8)
    return Training(chain, 0, chain.steps, ModelSpec(), Optimizer(), seed, 8, {})


def states(recipes: Mapping[str, Training]) -> set[str]:
    """Names of all states that any training step ends in, one by one."""
    chains = [recipe.chain for recipe in recipes.values()]
    return {chain.name(step) for chain in chains for step in range(1, chain.steps + 1)}


def check(tree: Tree, recipes: Mapping[str, Training]) -> None:
    """What holds for every tree."""
    assert tree.recipes == dict(recipes)
    assert tree.steps_alone == sum(recipe.chain.steps for recipe in recipes.values())
    by_name = {node.name: node for node in tree.nodes}
    assert len(by_name) == len(tree.nodes)
    order = {node.name: place for place, node in enumerate(tree.nodes)}
    for node in tree.nodes:
        assert node.steps > 0
        assert node.recipes
        chain = node.training.chain
        assert node.name == chain.name(node.training.stop)
        if node.parent is None:
            assert node.training.start == 0
        else:
            parent = by_name[node.parent]
            assert order[node.parent] < order[node.name]
            assert parent.training.stop == node.training.start
            assert node.parent == chain.name(node.training.start)
            assert set(node.recipes) <= set(parent.recipes)
        # A node lies within one stage, whose settings it carries, and is one training for all.
        index = chain.stage_index(node.training.start)
        assert node.training.stop <= chain.starts[index + 1]
        assert node.training.stage == chain.stages[index].name
        for label in node.recipes:
            other = recipes[label].chain
            assert other.name(node.training.stop) == node.name
            assert other.divergence(chain) >= node.training.stop
        own = [recipes[label].chain for label in node.recipes]
        workers = [c.stages[c.stage_index(node.training.start)].workers for c in own]
        assert node.training.workers == max(workers)
    for label, recipe in recipes.items():
        path = tree.path(label)
        assert path[0].parent is None
        for above, below in pairwise(path):
            assert below.parent == above.name
            assert below.training.start == above.training.stop
        assert path[-1].training.stop == recipe.chain.steps
        assert sum(node.steps for node in path) == recipe.chain.steps
        ends = {node.training.stop for node in path}
        assert set(recipe.chain.starts[1:]) <= ends | {0}


STAGES = st.builds(
    stage,
    st.sampled_from([1, 2, 3, 6, 7, 20]),
    st.sampled_from([1e-3, 2e-3]),
    st.sampled_from([Fraction(0), Fraction(1, 16), Fraction(1, 100)]),
    st.booleans(),
    st.integers(1, 4),
    st.sampled_from(["new", "old"]),
    st.booleans(),
    st.sampled_from("ab"),
)


@st.composite
def sweeps(draw: st.DrawFn) -> dict[str, Training]:
    """Recipes over a few common stages, so that many share and some are equal."""
    pool = draw(st.lists(STAGES, min_size=1, max_size=4))
    chains = st.lists(st.sampled_from(pool), min_size=1, max_size=4)
    drawn = draw(st.lists(st.tuples(chains, st.sampled_from([0, 0, 0, 1])), min_size=1, max_size=7))
    return {f"r{i}": training(*parts, seed=seed) for i, (parts, seed) in enumerate(drawn)}


@settings(max_examples=150, deadline=None)
@given(sweeps())
def test_every_step_is_trained_once(recipes: dict[str, Training]) -> None:
    tree = build_tree(recipes)
    check(tree, recipes)
    assert tree.steps == len(states(recipes))
    ends = [c.name(stop) for r in recipes.values() for c in [r.chain] for stop in c.starts[1:]]
    assert set(ends) <= {node.name for node in tree.nodes}


@settings(max_examples=80, deadline=None)
@given(sweeps(), st.integers(1, 8))
def test_short_common_beginnings_may_be_trained_apart(
    recipes: dict[str, Training], least: int
) -> None:
    tree = build_tree(recipes, least)
    check(tree, recipes)
    shared = len(states(recipes))
    assert shared <= tree.steps <= tree.steps_alone
    inner = [node for node in tree.nodes if len(node.recipes) > 1]
    for node in inner:  # what is shared is long, or ends with a stage of one of its recipes
        stops = {end for label in node.recipes for end in recipes[label].chain.starts}
        assert node.steps >= least or node.training.stop in stops


@pytest.mark.parametrize("count", [1, 2, 7])
def test_recipes_over_a_common_first_stage_train_it_once(count: int) -> None:
    first = stage(300, new="old", name="d0")
    recipes = {
        f"lr {k}": training(first, stage(100, 1e-4 * (k + 1), cosine=True, name="d1"))
        for k in range(count)
    }
    tree = build_tree(recipes)
    check(tree, recipes)
    # A warm-up of one step starts every recipe with the rate 0: that step is shared as well.
    together = 2 if count > 1 else 1
    assert len(tree.nodes) == (2 if count == 1 else 2 + count)
    assert tree.steps == 300 + (100 if count == 1 else together - 1 + 99 * count)
    assert tree.nodes[0].recipes == tuple(recipes)
    assert tree.nodes[0].training.stage == "d0"
    apart = build_tree(recipes, 5)
    check(apart, recipes)
    assert apart.steps == 300 + 100 * count
    assert len(apart.nodes) == 1 + count


def test_equal_recipes_and_beginnings_of_others() -> None:
    long = (stage(30), stage(20, 2e-3))
    recipes = {
        "a": training(*long),
        "b": training(*long),
        "head": training(long[0]),
        "short": training(stage(10)),
        "seed": training(*long, seed=1),
    }
    tree = build_tree(recipes)
    check(tree, recipes)
    assert tree.steps == 100
    assert [(n.steps, n.recipes) for n in tree.nodes if "seed" not in n.recipes] == [
        (10, ("a", "b", "head", "short")),
        (20, ("a", "b", "head")),
        (20, ("a", "b")),
    ]
    assert tree.path("short") == tree.nodes[:1]


def test_reset_and_carry_share_what_lies_before_the_boundary() -> None:
    recipes = {
        kind: training(stage(40), stage(60, 2e-3, reset=kind == "reset"))
        for kind in ("reset", "carry")
    }
    tree = build_tree(recipes)
    check(tree, recipes)
    assert sorted(node.steps for node in tree.nodes) == [40, 60, 60]


def test_no_recipes_no_tree() -> None:
    tree = build_tree({})
    assert (tree.nodes, tree.steps, tree.steps_alone) == ((), 0, 0)
    assert tree.path("nothing") == ()


def _grid(count: int, first: Sequence[ChainStage]) -> dict[str, Training]:
    second = [stage(700, 1e-4 * (k + 1), Fraction(k % 10, 100)) for k in range(count)]
    return {f"r{k}": training(*first, s) for k, s in enumerate(second)}


def test_a_thousand_recipes() -> None:
    recipes = _grid(1000, [stage(1300, new="old")])
    began = time.thread_time()
    tree = build_tree(recipes)
    taken = time.thread_time() - began
    assert tree.steps == 1300 + 1000 * 700
    assert len(tree.nodes) == 1001
    assert all(len(tree.path(label)) == 2 for label in list(recipes)[::50])
    assert taken < 15  # about 1.4 s on a quiet machine


def test_a_thousand_recipes_of_two_rates() -> None:
    """All in few nodes: the cost is in comparing recipes that share everything."""
    first = [stage(1300, new="old")]
    recipes = {f"r{k}": training(*first, stage(700, (k % 2 + 1) * 1e-3)) for k in range(1000)}
    began = time.thread_time()
    tree = build_tree(recipes)
    assert time.thread_time() - began < 15
    assert tree.steps == 1300 + 2 * 700
    assert len(tree.nodes) == 3
