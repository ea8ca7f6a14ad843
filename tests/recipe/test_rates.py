"""Rates that were probably meant otherwise: refused with what was meant, or asked about."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.plan.likely_rate import likely_rate
from raycl.recipe.definition import define, definition_of
from raycl.recipe.rates import rate_notes
from tests.helpers.recipe_data import changed, write_recipe


@pytest.mark.parametrize(
    ("rate", "meant"),
    [(3, "3e-3"), (3000, "3e-3"), (30000, "3e-4"), (0.3, "3e-3"), (1.5, "1.5e-3"), (10, "1e-3")],
)
def test_what_was_probably_meant(rate: float, meant: str) -> None:
    assert likely_rate(rate) == meant


@given(st.floats(min_value=0.1, max_value=1e9))
def test_what_was_meant_is_no_large_rate(rate: float) -> None:
    assert 0 < float(likely_rate(rate)) <= 1e-2


def schedule(rate: object) -> dict[str, object]:
    return {"kind": "cosine", "max_lr": rate}


def test_a_rate_of_3_is_refused_in_a_recipe_and_its_sweep(tmp_path: Path) -> None:
    refused = r"stages\.new\.schedule\.max_lr 3: .*Did you mean 3e-3\? The highest rate is 1"
    with pytest.raises(InputError, match=refused):
        define(write_recipe(tmp_path, changed(1, schedule=schedule(3))))
    swept = changed(1, schedule=schedule("1e-3"), sweep={"new.schedule.max_lr": ["1e-3", 3]})
    swept["sweep"] = {"new.schedule.max_lr": ["1e-3", 3]}
    swept["stages"][1].pop("sweep", None)
    with pytest.raises(InputError, match=refused):
        define(write_recipe(tmp_path, swept))
    good = write_recipe(tmp_path, changed(1, schedule=schedule("1e-3")))
    with pytest.raises(InputError, match=refused):
        define(good, ["new.schedule.max_lr=3"])
    assert rate_notes(v.recipe for v in define(good).variants) == []


def test_a_large_rate_is_asked_about_and_taken(tmp_path: Path) -> None:
    made = define(write_recipe(tmp_path, changed(1, schedule=schedule(0.3))))
    (note,) = rate_notes(variant.recipe for variant in made.variants)
    assert note.startswith("new.schedule.max_lr is 0.3: did you mean 3e-3?")


def test_the_recipe_of_a_stored_sweep_is_read_with_any_rate() -> None:
    assert definition_of(changed(1, schedule=schedule(3)), "stored").recipe.stages[1].schedule
