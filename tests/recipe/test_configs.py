"""Every recipe in configs/ loads, expands and plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.plan.cost import make_plan
from raycl.recipe.definition import corpus_facts, define, make_tree
from tests.helpers.paths import ROOT

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_plans(path: Path) -> None:
    definition = define(path)
    plan = make_plan(make_tree(definition, corpus_facts(definition, None)), ())
    assert plan.steps <= plan.steps_alone
    assert {label for node in plan.nodes for label in node.recipes} == {
        variant.label for variant in definition.variants
    }


def test_there_are_configs() -> None:
    assert CONFIGS
