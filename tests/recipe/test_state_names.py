"""The names of all states of the paper's recipes are those that users have in their storages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.state_names import digest, recipe_files
from tests.helpers.paths import ROOT

EXPECTED: dict[str, str] = json.loads((ROOT / "tests/data/state_names.json").read_text())


@pytest.mark.parametrize(
    ("path", "scale"), recipe_files(), ids=lambda value: getattr(value, "stem", value)
)
def test_no_state_has_another_name(path: Path, scale: str | None) -> None:
    """A changed name loses stored states; `benchmarks.state_names --all` shows which changed."""
    assert digest(path, scale) == EXPECTED[f"{path.stem} {scale or 'full'}"]


def test_every_recipe_has_its_names() -> None:
    assert set(EXPECTED) == {f"{path.stem} {scale or 'full'}" for path, scale in recipe_files()}
