"""The sampler grid: all combinations of lists in the order of a plain grid, with early stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe.definition import Definition, definition_of
from raycl.recipe.proposals import add_proposal
from raycl.search.study import Study
from raycl.search.text import preview_text, search_texts
from raycl.storage import Storage
from raycl.sweep.pipeline import sweep
from tests.helpers.growing_sweeps import FIELD, STOPPING, GrowingCluster
from tests.helpers.pipeline import prepared_storage
from tests.helpers.recipe_data import WHERE, defined, recipe_data

LISTS = {"new.replay": ["0%", "50%", "25%"], FIELD: ["1e-2", "3e-3"]}
RATES = [3e-3, 1e-3, 9e-3, 2e-3, 8e-3, 5e-3, 4e-3, 7e-3, 6e-3]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return prepared_storage(tmp_path / "runs")


def all_of(lists: dict[str, Any], **search: Any) -> Definition:
    return definition_of(recipe_data(sweep=lists, search={"sampler": "grid", **search}), WHERE)


def silent(_: str) -> None:
    pass


def test_it_proposes_the_recipes_of_the_plain_grid_in_its_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("raycl.search.study.make_sampler", lambda *_: 1 / 0)  # it needs no library
    study = Study(all_of(LISTS), None)
    plain = definition_of(recipe_data(sweep=LISTS), WHERE)
    shown = study.preview(100)
    assert [made.source for made in shown] == ["grid"] * 6
    fields = [
        {"new.replay": v.fields["new.replay"], FIELD: v.fields[FIELD]} for v in plain.variants
    ]
    read = definition_of(all_of(LISTS).data, WHERE, shown).variants
    assert [dict(variant.fields) for variant in read] == fields
    assert [variant.label for variant in read] == [variant.label for variant in plain.variants]
    assert "until 6 trials" in search_texts(study)[0]
    assert "17.9k tokens" in preview_text(study, shown[:3])


def test_it_goes_on_where_it_was_and_ends_without_trials(storage: Storage) -> None:
    definition = all_of(LISTS)
    by_hand = {"new.replay": "50%", FIELD: "1e-2"}
    add_proposal(storage, "small", by_hand)
    made = [Study(definition, storage).propose() for _ in range(6)]  # each by a command of its own
    assert [bool(proposal) for proposal in made] == [True] * 5 + [False]
    assert by_hand not in [dict(proposal.fields) for proposal in made if proposal]
    study = Study(definition, storage)
    assert study.propose() is None
    assert study.ended == "All combinations of the grid are proposed."
    assert Study(all_of(LISTS, trials=2), storage).most == 2


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"new.replay": {"uniform": ["0%", "5%"]}}, r"new\.replay is a range.*list of values"),
        ({"seed": list(range(101)), "new.steps": list(range(1, 101))}, "10,100 recipes, more than"),
    ],
)
def test_what_has_no_combinations_is_refused(lists: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        all_of(lists)


def test_a_grid_is_stopped_early_and_goes_on_as_a_plain_one(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = GrowingCluster(monkeypatch)
    grid = {FIELD: RATES}
    stopped = defined(sweep=grid, search={"sampler": "grid", "early_stopping": STOPPING})
    table = sweep(stopped, storage, report=silent).table
    assert list(table[FIELD]) == RATES
    assert set(table["status"]) == {"finished", "stopped"}
    finished = table[table["status"] == "finished"]
    assert min(RATES) in set(finished[FIELD])
    before = {node.name for node in cluster.trained}

    whole = sweep(defined(sweep=grid), storage, report=silent).table
    assert list(whole["status"]) == ["finished"] * len(RATES)
    assert set(whole["recipe"]) == set(table["recipe"])
    later = [node.name for node in cluster.trained][len(before) :]
    assert not before & set(later)
