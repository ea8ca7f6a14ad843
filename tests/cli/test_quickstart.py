"""`raycl quickstart` is `raycl sweep quickstart`, and says where things go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from raycl.cli.main import app
from raycl.sweep.prepare_corpora import text_cache


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is given to `raycl sweep`, which trains nothing here."""
    given: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        "raycl.cli.quickstart.sweep", lambda *words, **more: given.append((*words, more))
    )
    monkeypatch.delenv("RAYCL_STORAGE", raising=False)
    return given


def test_it_sweeps_the_recipe_of_its_name_into_runs(sweeps: list[tuple[Any, ...]]) -> None:
    result = CliRunner().invoke(app, ["quickstart"])
    assert result.exit_code == 0
    more = {"workers": None, "overrides": None}
    assert sweeps == [(Path("quickstart"), "runs/quickstart", more)]
    assert str(text_cache()) in result.stdout
    assert "runs/quickstart" in result.stdout
    assert "raycl recipes quickstart > my.yaml" in result.stdout


def test_its_storage_and_fields_may_be_others(
    sweeps: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    CliRunner().invoke(app, ["quickstart", "--storage", "here", "--set", "seed=2"])
    monkeypatch.setenv("RAYCL_STORAGE", "there")
    CliRunner().invoke(app, ["quickstart", "--workers", "1"])
    assert sweeps == [
        (Path("quickstart"), "here", {"workers": None, "overrides": ["seed=2"]}),
        (Path("quickstart"), "there", {"workers": 1, "overrides": None}),
    ]
