"""An option of execution, optimizer or validation is described once, and training gets it so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.plan.configuration import Configuration
from raycl.plan.execution import Execution
from raycl.plan.layout import LayoutChoice
from raycl.plan.optimizer import Optimizer
from raycl.plan.training import Training
from raycl.plan.validation import Validation
from raycl.recipe import parse_recipe, resolve
from raycl.recipe.schema import Recipe
from tests.helpers.recipe_data import WHERE, facts, recipe_data, resolved

OTHER_VALUES: dict[str, dict[str, Any]] = {
    "optimizer": {
        "beta1": 0.8,
        "beta2": 0.99,
        "epsilon": 1e-6,
        "weight_decay": 0.0,
        "gradient_clip": 2.0,
        "gradient_skip": 5.0,
    },
    "execution": {
        "precision": "bfloat16",
        "attention": "sdpa",
        "compile": True,
        "activation_checkpointing": "full",
        "layout": LayoutChoice(replicate=1),
        "deterministic": True,
        "micro_batch": 2,
        "save_every": 3,
        "keep_every": 4,
        "keep_last": 5,
        "keep": "weights",
        "max_skipped": 6,
        "step_timeout": timedelta(minutes=3),
    },
    "validation": {
        "every": 7,
        "rows": 8,
        "total_rows": 6,
        "standard_error": 0.02,
        "final_steps": 9,
    },
}
"""A value for each field that is not its default."""
KINDS: dict[str, type[Configuration]] = {
    "optimizer": Optimizer,
    "execution": Execution,
    "validation": Validation,
}
CASES = [(part, name) for part, kind in KINDS.items() for name in kind.model_fields]
IN_NAMES = {*(("optimizer", name) for name in Optimizer.model_fields), ("execution", "precision")}


@pytest.mark.parametrize(("part", "name"), CASES)
def test_every_option_reaches_training(part: str, name: str) -> None:
    """The names of states show which options change what a step computes: those and no others."""
    value, plain = OTHER_VALUES[part][name], resolved(recipe_data())
    training = resolved(recipe_data(**{part: {name: value}}))
    assert getattr(getattr(plain, part), name) != value
    assert getattr(getattr(training, part), name) == value
    other_name = training.chain.name(0) != plain.chain.name(0)
    assert other_name is ((part, name) in IN_NAMES)


class LaterOptimizer(Optimizer):
    """An optimizer with an option that nothing else names."""

    amsgrad: bool = False


class LaterExecution(Execution):
    """An execution with an option that nothing else names."""

    offload: bool = False


class LaterRecipe(Recipe):
    """A recipe with both."""

    optimizer: LaterOptimizer = LaterOptimizer()
    execution: LaterExecution = LaterExecution()


def later(**parts: Any) -> Training:
    recipe = LaterRecipe.model_validate(recipe_data(**parts))
    return resolve(recipe, facts(dict.fromkeys(recipe.corpora, 10_000)), WHERE)


def test_a_new_option_needs_its_class_alone() -> None:
    training = later(optimizer={"amsgrad": True}, execution={"offload": True})
    assert training.optimizer == LaterOptimizer(amsgrad=True)
    assert training.execution == LaterExecution(offload=True, precision="float32")


def test_a_new_option_with_its_default_changes_no_name() -> None:
    assert later().chain.name(40) == resolved(recipe_data()).chain.name(40)
    assert later(execution={"offload": True}).chain.name(40) == later().chain.name(40)
    assert later(optimizer={"amsgrad": True}).chain.name(0) != later().chain.name(0)


def test_the_six_options_of_the_first_states_are_always_in_the_names() -> None:
    """And nothing is, that is not asked for."""
    assert LaterOptimizer().in_names() == {
        "beta1": 0.9,
        "beta2": 0.95,
        "epsilon": 1e-8,
        "weight_decay": 0.1,
        "gradient_clip": 1.0,
    }
    assert LaterOptimizer(gradient_skip=2, amsgrad=True).in_names() == {
        **LaterOptimizer().in_names(),
        "gradient_skip": 2.0,
        "amsgrad": True,
    }


def test_parts_of_a_recipe_and_of_its_training_are_the_same_objects() -> None:
    recipe = parse_recipe(recipe_data(execution={"precision": "float32"}), WHERE)
    training = resolve(recipe, facts(dict.fromkeys(recipe.corpora, 10_000)), WHERE)
    assert training.optimizer is recipe.optimizer
    assert training.execution is recipe.execution
    assert training.validation is recipe.validation


def test_a_layout_that_the_workers_do_not_divide_into_is_refused() -> None:
    recipe = parse_recipe(recipe_data(execution={"layout": {"tensor": 2}}), WHERE)
    with pytest.raises(InputError, match=r"layout: 1 workers do not divide into 1 × 2"):
        resolve(recipe, facts(dict.fromkeys(recipe.corpora, 10_000)), WHERE)
