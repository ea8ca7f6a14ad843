"""Recipes changed at random end in a plan or in one sentence, never in anything else."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.recipe.definition import define
from raycl.recipe.sweep_plan import plan_sweeps
from tests.helpers.mutants import mutants
from tests.helpers.paths import ROOT
from tests.helpers.placeholder_model import placeholder_model


def short(text: str) -> str:
    """The recipe with stages of a few hundred steps, so that a good one is planned in no time."""
    text = re.sub(r"steps: \d{4,}", "steps: 200", text)
    return re.sub(r"tokens: [\d.]+B", "tokens: 400M", text)


RECIPES = [
    short(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "configs").rglob("*.yaml"))
]


def outcome(path: Path, scale: str | None) -> InputError | None:
    """The error that refuses the recipe in the file; None where it can be planned."""
    try:
        assert plan_sweeps((define(path, (), scale),), None).cost.steps > 0
    except InputError as error:
        return error
    except Exception as error:
        text = path.read_bytes().decode("utf-8", "replace")
        raise AssertionError(f"{type(error).__name__} for this recipe:\n{text}") from error
    return None


@pytest.mark.parametrize("seed", range(4))
def test_no_mutant_ends_in_a_traceback(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placeholder_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "r.yaml"
    errors = []
    for number, text in enumerate(mutants(RECIPES, seed, 60)):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        began = time.monotonic()
        errors.append(outcome(path, "tiny" if number % 5 == 0 else None))
        assert time.monotonic() - began < 5
    refused = [error for error in errors if error is not None]
    assert 20 < len(refused) < 60
    for error in refused:
        assert error.remedy
        assert str(error).startswith((str(path), "--scale"))
