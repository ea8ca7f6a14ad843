"""Every recipe in configs/ loads, expands and plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.recipe.definition import define
from raycl.recipe.sweep_plan import plan_sweeps
from tests.helpers.paths import ROOT
from tests.helpers.placeholder_model import placeholder_model

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_plans(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placeholder_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    definition = define(path)
    plan = plan_sweeps((definition,), None).cost
    assert plan.steps <= plan.steps_alone
    assert {label for node in plan.nodes for label in node.recipes} == {
        variant.label for variant in definition.variants
    }


def test_there_are_configs() -> None:
    assert CONFIGS


def test_the_example_of_a_given_model_takes_any_folder(tmp_path: Path) -> None:
    folder = placeholder_model(tmp_path)
    path = ROOT / "configs" / "pretrained.yaml"
    own = [f"{field}={folder}" for field in ("model.pretrained", "tokenizer")]
    plan = plan_sweeps((define(path, own),), None)
    labels = list(plan.sweeps[0].trainings)
    assert labels[-2:] == ["union with stand-ins", "german from scratch"]
    assert len(labels) == 8


def test_a_model_from_outside_has_no_small_one_in_its_place() -> None:
    with pytest.raises(InputError, match=r"scale .tiny. has .* a pretrained model") as error:
        define(ROOT / "configs" / "pretrained.yaml", (), "tiny")
    assert "--set" in error.value.remedy
