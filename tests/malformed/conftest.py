"""The workspace that each test changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.workspace import make_workspace


@pytest.fixture(scope="session", autouse=True)
def _imported() -> None:
    """Import what takes seconds once: a refusal is timed, and not the first import of a library."""
    from transformers import AutoConfig, AutoModelForCausalLM  # noqa: F401


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and its inputs, which is the current folder."""
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
