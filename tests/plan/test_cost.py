"""What a sweep will cost."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from raycl.cli.memory_view import layout_text
from raycl.cli.plan_view import print_plan, step_lines
from raycl.errors import InputError
from raycl.plan import presets
from raycl.plan.cost import Plan, make_plan
from raycl.plan.layout import Layout
from raycl.plan.memory_forms import memory_facts
from raycl.plan.model_facts import ModelFacts, facts_key
from raycl.plan.planned_memory import Place
from raycl.plan.tree import Tree
from raycl.recipe.definition import corpus_facts, make_tree
from tests.helpers.recipe_data import changed, defined, recipe_data, resolved

SWEEP = {"new.replay": ["0%", "25%", "50%"]}


def _tree(**changes: Any) -> Tree:
    definition = defined(**changes)
    return make_tree(definition, corpus_facts(definition, None))


def _text(show: Any) -> str:
    out = io.StringIO()
    show(Console(file=out, width=200))
    return out.getvalue()


def test_shared_steps_are_counted_once() -> None:
    plan = make_plan(_tree(sweep=SWEEP), ())
    assert (plan.steps, plan.steps_alone, len(plan.nodes)) == (80, 120, 4)
    assert plan.tokens == 80 * 8 * 16
    config = {**presets.PRESETS["gpt-neox-tiny"], "vocab_size": 50304}
    assert plan.parameters == presets.parameter_count(config)
    assert plan.flops == pytest.approx(plan.tokens * presets.flops_per_token(config, 16))


def test_existing_states_are_not_left_to_train() -> None:
    tree = _tree(sweep=SWEEP)
    plan = make_plan(tree, {tree.nodes[0].name})
    assert [node.exists for node in plan.nodes] == [True, False, False, False]
    assert plan.steps_left == 60
    # A shorter sweep left the state after 12 of the first node's 20 steps.
    begun = make_plan(tree, {tree.nodes[0].training.chain.name(12), "000000013-" + "0" * 32})
    assert [node.done for node in begun.nodes] == [12, 0, 0, 0]
    assert begun.steps_left == 68


def test_workers_share_the_memory_of_weights() -> None:
    one, two = (
        make_plan(_tree(stages=changed(0, workers=w)["stages"]), ()).nodes[0].fit for w in (1, 2)
    )
    assert one is not None
    assert two is not None
    for part in ("weights", "gradients", "moments"):
        assert two.memory.parts()[part] == one.memory.parts()[part] / 2


@pytest.mark.parametrize(
    "model",
    [
        {"config": {"model_type": "llama"}},  # sizes left to the model class
        {"config": {"model_type": "mistral", "hidden_size": 64, "num_hidden_layers": 2}},
    ],
)
def test_models_without_a_closed_form_can_be_planned(model: dict[str, Any]) -> None:
    plan = make_plan(_tree(model=model), ())
    assert plan.parameters is None
    assert plan.flops == 0
    assert "40 steps trained" in _text(lambda c: print_plan(plan, c, prepared=True))


def test_facts_of_a_model_that_was_looked_into_are_counted() -> None:
    tree = _tree(model={"config": {"model_type": "gpt2"}})
    training = tree.nodes[0].training
    config = {**presets.PRESETS["gpt-neox-tiny"], "vocab_size": 50}
    memory = memory_facts(config, training.sequence_length)
    facts = ModelFacts(1000, 800, 600, 10.0, 50, ("eager",), recomputes=True, memory=memory)
    plan = make_plan(tree, (), {facts_key(training.model, training.sequence_length): facts})
    assert (plan.parameters, plan.trained_parameters, plan.active_parameters) == (1000, 800, 600)
    assert plan.flops == 10.0 * plan.tokens
    assert plan.nodes[0].memory_per_worker > 16 * memory.parameters
    text = _text(lambda c: print_plan(plan, c, prepared=True))
    assert "1,000 parameters, 600 of them for each token, 800 trained: no gradient" in text


def test_the_table_shows_the_tree() -> None:
    plan: Plan = make_plan(_tree(sweep=SWEEP), ())
    text = _text(lambda c: print_plan(plan, c, prepared=False))
    assert "\n  new 20–40" in text
    assert "80 steps trained where the recipes alone would take 120 (33% shared)" in text
    assert "not prepared yet" in text


def test_the_memory_of_rows_that_are_chosen_later_is_said_to_be_the_least() -> None:
    text = _text(lambda c: print_plan(make_plan(_tree(), (), None, Place("cuda")), c, True))
    assert "≥ " in text
    assert "1 of 8 rows" in text
    assert "as many as fit into the GPU" in text
    known = make_plan(_tree(), (), None, Place("cpu", 2**33))
    text = _text(lambda c: print_plan(known, c, prepared=True))
    assert "≥ " not in text
    assert "8 of 8 rows" in text
    assert re.search(r"what a step may take +8\.0 GiB", text)


def test_a_layout_is_told_in_words() -> None:
    assert layout_text(Layout()) == "1"
    assert layout_text(Layout(6, 8)) == "48: 6 copies × 8 shards"
    assert layout_text(Layout(1, 4, 2)) == "8: 4 shards × 2 tensor parts"


def test_step_lines_are_the_chains_own() -> None:
    chain = resolved(recipe_data()).chain
    lines = step_lines(chain, "new", 2, 6)
    assert [line["step"] for line in lines] == [2, 3, 4, 5]
    assert [line["learning_rate"] for line in lines] == list(chain.learning_rates(22, 26))
    assert {line["old rows"] for line in lines} == {2}
    assert [line["new first"] for line in lines] == ["12", "18", "24", "30"]


@pytest.mark.parametrize(
    ("stage", "first", "last", "message"),
    [("nw", 0, None, "Stages: old, new"), ("new", 20, None, "no steps"), ("new", -1, 3, "no st")],
)
def test_steps_that_are_not_there(stage: str, first: int, last: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        step_lines(resolved(recipe_data()).chain, stage, first, last)
