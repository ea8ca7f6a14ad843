"""Pretrained models that cannot be continued from are refused by one sentence, before a cluster starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.malformed.model_folders import malformed_models
from tests.malformed.refusal import check_refused
from tests.malformed.workspace import Malformed


@pytest.mark.parametrize("case", malformed_models(), ids=lambda case: case.name)
def test_refused(case: Malformed, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_refused(case, workspace, capsys)
