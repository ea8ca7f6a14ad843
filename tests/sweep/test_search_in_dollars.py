"""A search whose budget is money: it needs prices, and ends when they say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe.definition import Definition, definition_of
from raycl.recipe.prices_file import store_prices
from raycl.storage import Storage
from raycl.sweep import search as searching
from raycl.sweep.search import SearchRun, spent_on
from tests.helpers.recipe_data import recipe_data


def definition(**search: Any) -> Definition:
    grid = {"new.schedule.max_lr": {"log": ["1e-4", "1e-2"]}}
    return definition_of(recipe_data(sweep=grid, search=search), "my.yaml")


def run(storage: Storage) -> SearchRun:
    return SearchRun(storage, lambda _: None)


def test_without_prices_it_is_refused_before_anything_is_proposed(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    with pytest.raises(InputError, match=r"dollars 3: prices are not known. Give --prices FILE"):
        run(storage).begin([definition(budget={"dollars": 3})])
    assert storage.list("") == []


def test_with_prices_it_begins(tmp_path: Path) -> None:
    storage, made = Storage(tmp_path / "storage"), definition(budget={"dollars": 3})
    file = tmp_path / "prices.yaml"
    kind = "{dollars_per_hour: 3.6, tokens_per_second: 10}"
    file.write_text(f"source: made up\ndate: today\nmachines: {{mine: {kind}}}\n")
    store_prices(storage, made.recipe.name, file)
    (begun,) = run(storage).begin([made])
    assert [proposal.number for proposal in begun.proposals] == [0]
    assert spent_on(storage, made.recipe.name, 100).dollars == 0  # nothing is trained yet


def test_it_ends_when_its_tokens_cost_that_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "dollars_for", lambda *_: 3.0)
    storage, made = Storage(tmp_path), definition(budget={"dollars": 3})
    assert run(storage).begin([made]) == (made,)
