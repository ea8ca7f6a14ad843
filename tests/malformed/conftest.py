"""The workspace that each test changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.workspace import make_workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and its inputs, which is the current folder."""
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
