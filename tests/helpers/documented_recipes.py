"""The recipes of docs/recipes.md; what is shown in part is put into the whole one of the top."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.helpers.paths import ROOT

PAGE = ROOT / "docs" / "recipes.md"


def documented_recipes() -> list[dict[str, Any]]:
    """Every example of the page as a whole recipe."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    whole, *parts = (yaml.safe_load(block) for block in blocks)
    return [whole, *(_completed(whole, part) for part in parts)]


def _completed(whole: dict[str, Any], part: Any) -> dict[str, Any]:
    if isinstance(part, list):  # stages; the whole one's grid and baselines are about its own
        return {**whole, "stages": part, "sweep": {}, "baselines": []}
    if "corpora" in part:  # of a recipe with one new corpus
        stage = {"name": "new", "steps": 100, "schedule": "rewarm"}
        return {**_completed(whole, [stage]), **part}
    return {**whole, **part}
