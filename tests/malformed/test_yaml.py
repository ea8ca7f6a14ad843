"""Recipe files that cannot be read are refused before a cluster starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.malformed.case import Malformed
from tests.malformed.refusal import check_refused
from tests.malformed.yaml_texts import malformed_yaml


@pytest.mark.parametrize("case", list(malformed_yaml()), ids=lambda case: case.name)
def test_refused(case: Malformed, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_refused(case, workspace, capsys)
