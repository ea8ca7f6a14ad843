"""`raycl plan` of a search."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raycl.cli.main import main
from raycl.recipe.proposals import add_proposal
from raycl.storage import Storage
from tests.helpers.recipe_data import recipe_data, write_recipe

GRID = {"new.replay": {"uniform": ["0%", "50%"]}, "new.steps": {"integers": [10, 40]}}


def planned(folder: Path, capsys: pytest.CaptureFixture[str], *words: str, **search: object) -> str:
    model = {"config": {"model_type": "gpt_neox", "vocab_size": 300, "hidden_size": 16}}
    model["config"] |= {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    data = recipe_data(sweep=GRID, search={"trials": 8, "sampler": "random", **search}, model=model)
    file = write_recipe(folder, data | {"tokenizer": {"train": {"vocabulary": 300}}})
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(file), *words])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_a_plan_previews_a_search_and_records_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = tmp_path / "storage"
    text = planned(tmp_path, capsys, "--storage", str(storage))
    assert "Search by random for lowest average, until 8 trials." in text
    assert "Space: new.replay 0% to 50%; new.steps 10 to 40 (integers)." in text
    assert "Shown are the first 4 proposals" in text
    assert not (storage / "sweeps").exists()


def test_a_plan_shows_what_was_proposed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = tmp_path / "storage"
    fields = {"new.replay": "12.3%", "new.steps": 17}
    add_proposal(Storage(str(storage)), "small", fields, "random")
    text = planned(tmp_path, capsys, "--storage", str(storage))
    assert "Proposed so far: 1, and 1 of these have no result yet." in text
    assert "Shown are" not in text
    assert "12.3%" in text


def test_a_plan_says_that_its_numbers_are_of_the_proposals_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = planned(tmp_path, capsys)
    assert "the numbers above, prices too, are of these alone" in text
    assert re.search(r"At their mean, all 8 trials take about \S+ tokens\.", text)
    stopping = {"kind": "asha", "stage": "new", "first": "50%", "factor": 2}
    stopped = planned(tmp_path, capsys, early_stopping=stopping)
    assert re.search(r"about \S+ tokens, less what asha leaves untrained\.", stopped)
