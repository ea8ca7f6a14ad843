"""Prices on the command line. No command here starts Ray."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from raycl.cli.main import main
from raycl.recipe.prices_file import stored_prices
from raycl.storage import Storage
from tests.helpers.finished_sweep import NAME, finished_sweep
from tests.helpers.recipe_data import recipe_data, write_recipe


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.yaml"
    kind = "{dollars_per_hour: 3.6, tokens_per_second: 10}"
    file.write_text(f"source: made up\ndate: today\nmachines: {{mine: {kind}}}\n")
    return file


def test_a_plan_with_prices(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    prices: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = write_recipe(tmp_path, recipe_data(sweep={"new.replay": ["0%", "25%"]}))
    code, out, _ = run(capsys, "plan", recipe, "--prices", prices, "--workers", 2)
    assert code == 0
    parts = (re.split(r"\s{2,}", line.strip()) for line in out.splitlines())
    lines = {name: rest[0] for name, *rest in parts if rest}
    assert lines["speed of old"] == "10 tokens/s, by hand"
    assert lines["left to train"] == "0.213 w-h"  # 60 steps of 128 tokens
    assert lines["shortest time"] == "8.53 min"
    assert lines["their price"] == "$1.02"
    assert "not measured" in out
    monkeypatch.setenv("RAYCL_PRICES", str(prices))
    code, out, _ = run(capsys, "plan", recipe, "--json")
    (money,) = json.loads(out)["money"]
    assert money["left"]["dollars"] == pytest.approx(0.768)
    assert money["speeds"]["new"]["basis"] == "by hand"


def test_what_cannot_be_reckoned_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, prices: Path
) -> None:
    recipe = write_recipe(tmp_path, recipe_data())
    code, _, told = run(capsys, "plan", recipe, "--workers", 2)
    assert code == 2
    assert "Give --prices" in told
    prices.write_text(prices.read_text() + "stages: {german: mine}\n")
    code, _, told = run(capsys, "plan", recipe, "--prices", prices)
    assert code == 2
    assert "stages.german: no stage of this recipe. Name one of new, old" in told


def test_the_bill_so_far(capsys: pytest.CaptureFixture[str], tmp_path: Path, prices: Path) -> None:
    storage = finished_sweep(tmp_path / "storage")
    code, out, _ = run(capsys, "status", "--storage", storage.url)
    assert code == 0
    assert "so far" not in out
    code, out, _ = run(capsys, "status", "--storage", storage.url, "--prices", prices)
    assert code == 0
    assert "led to the 3 states that are stored" in out
    assert stored_prices(storage, NAME) is None  # they were not kept
    code, _, _ = run(capsys, "report", "--storage", storage.url, "--prices", prices)
    assert code == 0
    assert stored_prices(storage, NAME) is not None
    code, out, _ = run(capsys, "status", "--storage", storage.url)
    assert "so far: " in out
    storage.write_bytes(f"sweeps/{NAME}/prices.json", b"[]")
    code, out, told = run(capsys, "status", "--storage", storage.url)
    assert code == 2
    assert "3 of 3 nodes finished" in out
    assert "not the prices of a sweep" in told


def test_a_sweep_reads_its_prices_before_anything_else(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, prices: Path
) -> None:
    prices.write_text("machines: {}\n")
    recipe, storage = write_recipe(tmp_path, recipe_data()), tmp_path / "storage"
    code, _, told = run(capsys, "sweep", recipe, "--storage", storage, "--prices", prices)
    assert code == 2
    assert "prices.yaml" in told
    assert Storage(storage).list("") == []
