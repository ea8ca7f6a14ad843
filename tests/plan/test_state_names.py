"""Names of states are promises: a state that is stored is found again by a later version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.state_names import digest, recipe_files
from tests.helpers.paths import ROOT

EXPECTED = json.loads((ROOT / "tests" / "data" / "state_names.json").read_text())
FILES = {f"{path.stem} {scale or 'full'}": (path, scale) for path, scale in recipe_files()}


@pytest.mark.parametrize(("path", "scale"), FILES.values(), ids=FILES.keys())
def test_names_of_all_states_are_what_they_were(path: Path, scale: str | None) -> None:
    """Of the quickstart and the paper's recipes, at full and tiny size."""
    assert digest(path, scale) == EXPECTED[f"{path.stem} {scale or 'full'}"]


def test_every_recipe_file_has_its_names_on_record() -> None:
    assert FILES.keys() == EXPECTED.keys()
