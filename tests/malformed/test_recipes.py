"""Recipes whose fields cannot be used are refused by one sentence, before a cluster starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.malformed.case import Malformed
from tests.malformed.recipes import malformed_recipes
from tests.malformed.refusal import check_refused


@pytest.mark.parametrize("case", list(malformed_recipes()), ids=lambda case: case.name)
def test_refused(case: Malformed, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_refused(case, workspace, capsys)
