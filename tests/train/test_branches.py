"""Anneal branches, stages cut short, named replay and baselines: from recipe to steps."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from raycl.errors import InputError
from raycl.plan.tree import Tree
from raycl.recipe import expand
from raycl.recipe.definition import definition_of, make_tree, trainings
from tests.helpers.recipe_data import SCHEDULE, WHERE, changed, facts, recipe_data, resolved

INFINITE = {
    "kind": "infinite",
    "max_lr": "3e-3",
    "constant_lr": "1.5e-3",
    "min_lr": "3e-4",
    "warmup": "10 steps",
    "cooldown": "30 steps",
}
ANNEAL = {"length": "10 steps", "min_lr": "3e-4"}


def tree_of(data: dict[str, Any]) -> Tree:
    definition = definition_of(data, WHERE)
    return make_tree(definition, facts(dict.fromkeys(definition.recipe.corpora, 10**6)))


def one_stage(steps: int, **fields: Any) -> dict[str, Any]:
    return recipe_data(stages=[{"name": "old", "steps": steps, **fields}])


def three_stages(**later: Any) -> dict[str, Any]:
    """An infinite schedule over three stages, which goes on at its constant rate."""
    more = [
        {
            "name": name,
            "mixture": {"new": 1},
            "steps": 40,
            "schedule": "continue",
            "optimizer": "carry",
            "anneal": ANNEAL,
            **later,
        }
        for name in ("second", "third")
    ]
    first = {"name": "old", "steps": 60, "schedule": INFINITE, "anneal": ANNEAL}
    return recipe_data(stages=[first, *more])


def test_five_anneals_cost_the_trunk_once() -> None:
    at = ["50 steps", "60 steps", "70 steps", "80 steps", "100%"]
    tree = tree_of(one_stage(100, schedule=INFINITE, anneal={**ANNEAL, "at": at}))
    # The update at the branch point still has the trunk's rate; it is the first of the ten.
    assert tree.steps == 100 + 4 * 9 + 10
    assert tree.steps_alone == 100 + 60 + 70 + 80 + 90 + 110


def test_a_constant_schedule_at_three_lengths_costs_the_longest() -> None:
    data = one_stage(300, schedule={"kind": "constant", "max_lr": 1e-3, "warmup": "10 steps"})
    tree = tree_of({**data, "sweep": {"old.steps": [100, 200, 300]}})
    assert (tree.steps, tree.steps_alone, len(tree.nodes)) == (300, 600, 3)


def test_stages_go_on_from_the_unannealed_trunk() -> None:
    definition = definition_of(three_stages(), WHERE)
    assert [(v.label, v.kind) for v in definition.variants] == [
        ("small", "sweep"),
        ("small, anneal old at 100%", "anneal"),
        ("small, anneal second at 100%", "anneal"),
        ("small, anneal third at 100%", "anneal"),
    ]
    whole = trainings(definition, facts({"old": 10**6, "new": 10**6}))
    trunk = whole["small"].chain
    rates = trunk.learning_rates(0, trunk.steps)
    assert (rates[40:] == 1.5e-3).all()
    assert not any(trunk.resets_optimizer(step) for step in (60, 100))
    branch = whole["small, anneal second at 100%"].chain
    assert branch.steps == 110
    # The branch's first update is the next stage's first one: same rate, same rows.
    assert branch.divergence(trunk) == 101
    assert branch.learning_rates(109, 110)[0] == pytest.approx(1.5e-3 * 0.2**0.9, rel=1e-9)
    # The rows of the anneal are the next ones of the stage's mixture.
    assert [(r.corpus, r.first) for r in branch.rows(100)] == [("new", 40 * 8)]


def test_a_stage_cut_short_keeps_its_schedule() -> None:
    whole = resolved(changed(1)).chain
    cut = resolved(changed(1, stop_after="25%")).chain
    assert cut.steps == 25
    assert cut.divergence(whole) == 25
    assert cut.name(25) == whole.name(25)


def test_replay_by_name() -> None:
    data = changed(1, replay={"old": "12.5%", "older": "25%"})
    data["corpora"]["older"] = {"text": "older.jsonl"}
    data["stages"].insert(
        0, {"name": "older", "steps": 30, "schedule": SCHEDULE, "mixture": {"older": 1}}
    )
    stage = resolved(data).chain.stages[-1]
    assert stage.mixture.replay == Fraction(3, 8)
    counts = stage.mixture.supplied(np.array([20]))[:, 0]
    named = {
        (s.corpus, s.replay): int(n) for s, n in zip(stage.mixture.sources, counts, strict=True)
    }
    assert named == {("new", False): 100, ("old", True): 20, ("older", True): 40}
    assert {s.corpus: s.limit for s in stage.mixture.sources if s.replay} == {
        "old": 160,
        "older": 240,
    }


def test_old_data_beyond_what_was_seen_only_when_asked_for() -> None:
    seen, asked = (
        resolved(changed(1, replay="50%", replay_from=source, steps=100)).chain.stages[-1]
        for source in ("seen", "all")
    )
    assert [s.limit for s in seen.mixture.sources if s.replay] == [160]
    assert [s.limit for s in asked.mixture.sources if s.replay] == [10_000]


def test_the_previous_stages_are_a_baseline_that_costs_nothing() -> None:
    tree = tree_of(recipe_data(baselines=["previous"]))
    assert tree.steps == 40
    assert tree.recipes["old only"].chain.steps == 20


def test_a_grid_has_a_name_and_reaches_all_later_stages() -> None:
    data = three_stages()
    data["sweep"] = [
        {"label": "infinite", "old.anneal": [None], "later.anneal": [None]},
        {
            "label": "cosine",
            "later.schedule": [SCHEDULE],
            "later.replay": ["0%", "25%"],
            "later.optimizer": ["reset"],
            "later.anneal": [None],
            "old.anneal": [None],
        },
    ]
    found = {v.label: v.recipe for v in expand(data, WHERE)}
    assert list(found) == ["infinite", "cosine, replay 0%", "cosine, replay 25%"]
    stages = found["cosine, replay 25%"].stages
    assert [s.replay for s in stages] == [0, Fraction(1, 4), Fraction(1, 4)]
    assert [s.optimizer for s in stages] == ["reset"] * 3


REFUSED = [
    (one_stage(100, schedule=INFINITE, anneal={**ANNEAL, "at": "101 steps"}), "step 101, outside"),
    (one_stage(100, schedule=INFINITE, anneal={**ANNEAL, "at": "9 steps"}), "Give 10 … 100 steps"),
    (one_stage(100, schedule=INFINITE, anneal={**ANNEAL, "min_lr": 1}), "anneal.min_lr 1.0"),
    (one_stage(100, schedule=INFINITE, anneal={**ANNEAL, "min_lr": 0}), "not between 0"),
    (one_stage(100, schedule=INFINITE, anneal={**ANNEAL, "length": "0%"}), "less than a step"),
    (one_stage(39, schedule=INFINITE), "warmup+cooldown: 40 steps, longer than the stage's 39"),
    (one_stage(10, schedule="continue"), "stages.old.schedule: no stage before"),
    (one_stage(10, schedule=SCHEDULE, stop_after="11 steps"), "stop_after 11 steps: 11 steps of"),
    (
        changed(1, replay={"new": "5%"}),
        "replay.new: no stage has seen this corpus before. Seen: old",
    ),
    (changed(1, replay={"nex": "5%"}), "replay.nex: no such corpus"),
    (changed(1, schedule={**INFINITE, "constant_lr": "parent"}), "not a number"),
    (changed(1, replay={"old": "60%", "new": "40%"}), "leave no new data"),
    (changed(1, replay={}), "no share"),
    (changed(1, name="later"), "every stage but the first"),
    (one_stage(20, schedule=SCHEDULE) | {"baselines": ["previous"]}, "one stage"),
    (recipe_data(sweep={"label": ["x"], "new.replay": ["5%"]}), "sweep.label"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED)
def test_contradictions_are_refused_before_anything_starts(data: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        tree_of(data)
    assert words in str(caught.value)
    assert caught.value.remedy
