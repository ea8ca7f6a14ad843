"""Files of prices: read strictly, with lines in errors, and kept beside a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.recipe.prices_file import (
    example_file,
    parse_prices,
    read_prices,
    store_prices,
    stored_prices,
)
from raycl.storage import Storage
from tests.helpers.paths import ROOT

HEAD = 'source: made up\ndate: "2026-01-01"\n'
ONE = f"{HEAD}machines:\n  a:\n    dollars_per_hour: 2\n"


def test_the_example_is_read_and_calls_its_numbers_placeholders() -> None:
    text = example_file().read_text()
    told = parse_prices(text, "example")
    assert set(told.machines) == {"eight-gpus", "sixteen-cores"}
    assert "placeholder" in told.source
    assert "PLACEHOLDER" in text
    spot = told.machines["eight-gpus"].spot
    assert spot is not None
    assert spot.restart.total_seconds() == 300


def test_the_page_shows_the_example() -> None:
    assert example_file().read_text() in (ROOT / "docs" / "costs.md").read_text()


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("", "p.yaml", "not a mapping"),
        ("- a\n", "p.yaml", "not a mapping"),
        (HEAD, "p.yaml: machines", "Add it"),
        (f"{ONE}    gpus: 8\n", "p.yaml:6: machines.a.gpus is 8", "Remove it"),
        (f"{ONE}    workers: 0\n", "p.yaml:6: machines.a.workers is 0", "Give more than 0"),
        (f"{ONE}    mfu: 40%\n", "p.yaml:5: machines.a", "Give flops"),
        (f"{ONE}    spot: {{dollars_per_hour: 1}}\n", "p.yaml:6", "Add it"),
        (f"{ONE}stages: {{german: b}}\n", "p.yaml", "no machine here. Give a"),
        (f"{ONE}    dollars_per_hour: 3\n", "p.yaml", "dollars_per_hour"),
        ("source: made up\ndate: 2026-01-01\nmachines: {}\n", "p.yaml:2", "Quote it"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, place: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_prices(text, "p.yaml")
    assert caught.value.where.startswith(place)
    assert told in str(caught.value)
    assert caught.value.remedy


def test_a_sweep_keeps_the_prices_that_it_was_last_told(tmp_path: Path) -> None:
    storage, file = Storage(tmp_path / "storage"), tmp_path / "mine.yaml"
    assert stored_prices(storage, "sweep") is None
    file.write_text(ONE)
    store_prices(storage, "sweep", file)
    file.write_text(ONE.replace(": 2", ": 3"))
    told = store_prices(storage, "sweep", file)
    assert stored_prices(storage, "sweep") == told == read_prices(file)
    assert told.machines["a"].dollars_per_hour == 3


def test_a_file_that_is_no_prices_is_not_kept(tmp_path: Path) -> None:
    storage, file = Storage(tmp_path / "storage"), tmp_path / "mine.yaml"
    file.write_text("name: a recipe\n")
    with pytest.raises(InputError, match=r"mine\.yaml"):
        store_prices(storage, "sweep", file)
    assert stored_prices(storage, "sweep") is None
