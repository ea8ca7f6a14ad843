"""States named by their beginning, by a recipe's label, or as the best of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.results.named_state import NamedState, named_state
from raycl.states.mark import remove_state
from raycl.states.tree_record import NodeRecord, write_tree_record
from raycl.storage import Storage
from tests.helpers.finished_sweep import NAME, finished_sweep
from tests.helpers.trained_recipes import outcomes_table, trained_recipe
from tests.helpers.training_runs import make_storage


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage in which the sweep `small` is finished."""
    return finished_sweep(tmp_path_factory.mktemp("storage"))


def end_of(storage: Storage, label: str) -> str:
    return named_state(storage, label, NAME).state


def test_best_is_the_row_with_the_lowest_average(tmp_path: Path) -> None:
    storage = make_storage(tmp_path)
    sweep = {"new.replay": ["0%", "50%"], "new.schedule.max_lr": ["1e-2", "1e-4"]}
    made = trained_recipe(storage, name="grid", sweep=sweep, baselines=["union", "previous"])
    table = outcomes_table(made, storage)
    # A random model of random tokens: a baseline has the lowest average of all, and is passed over.
    own = table[table["kind"] == "sweep"]
    best = own.iloc[int(own["average"].argmin())]
    expected = NamedState(best["state"], "grid", best["recipe"])
    assert named_state(storage, "best") == named_state(storage, "best", "grid") == expected
    (union,) = table.loc[table["kind"] == "union", "state"]
    assert named_state(storage, "union").state == union  # a baseline, asked for by its label


def test_a_recipe_is_named_as_typed_or_in_any_case(storage: Storage) -> None:
    first = named_state(storage, "replay 50%")
    assert (first.sweep, first.label) == (NAME, "replay 50%")
    assert named_state(storage, "Replay 50%") == first
    assert named_state(storage, "replay 0%").state != first.state


def test_a_state_is_named_by_its_beginning_or_its_hash(storage: Storage) -> None:
    state = end_of(storage, "replay 0%")
    digest = state.partition("-")[2]
    for reference in (state, state[:18], digest[:8]):
        assert named_state(storage, reference) == NamedState(state)


def test_a_name_costs_one_listing_and_a_whole_one_none(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = end_of(storage, "replay 0%")
    listed: list[str] = []
    sizes = Storage.sizes

    def noted(self: Storage, folder: str) -> dict[str, int]:
        listed.append(folder)
        return sizes(self, folder)

    monkeypatch.setattr(Storage, "sizes", noted)
    assert named_state(storage, state).state == state
    assert not listed
    for reference in (state[:18], "replay 0%"):
        listed.clear()
        assert named_state(storage, reference).state == state
        assert listed == ["states"]


def message(storage: Storage, reference: str, sweep: str | None = None) -> str:
    with pytest.raises(InputError) as error:
        named_state(storage, reference, sweep)
    return str(error.value)


def test_an_unknown_name_gets_the_nearest_recipe(storage: Storage) -> None:
    said = message(storage, "replay 5%")
    assert "neither a complete state nor a recipe. Do you mean 'replay 50%'?" in said
    assert "replay 0%; replay 50%" in said
    assert "Known sweeps: small" in message(storage, "best", "large")


def test_one_label_in_two_sweeps(tmp_path: Path) -> None:
    storage = finished_sweep(tmp_path)
    other = NodeRecord(
        name=end_of(storage, "replay 0%"),
        parent=None,
        stage="new",
        steps=1,
        first_step=0,
        recipes=("replay 0%", "replay 50%"),
    )
    write_tree_record(storage, "again", [other])
    assert named_state(storage, "replay 0%").state == other.name  # the same state in both
    assert "Name one with --sweep: again, small" in message(storage, "replay 50%")
    assert named_state(storage, "replay 50%", "again").state == other.name
    assert "2 sweeps are there. Name one with --sweep: again, small" in message(storage, "best")


def test_labels_that_mean_two_things(storage: Storage, tmp_path: Path) -> None:
    state, another = (end_of(storage, f"replay {share}%") for share in (0, 50))
    place = Storage(tmp_path)
    labels = (state[:12], "Run A", "run a", "Best")
    nodes = [
        NodeRecord(name=name, parent=None, stage="new", steps=1, first_step=0, recipes=(label,))
        for name, label in zip((another, state, another, state), labels, strict=True)
    ]
    write_tree_record(place, "odd", nodes)
    for name in (state, another):
        place.write_bytes(f"states/{name}/state.json", b"")
    assert f"the beginning of the state {state}" in message(place, state[:12])
    assert "Write one of: Run A; run a" in message(place, "RUN A")
    assert named_state(place, "Run A").state == state
    assert "the word has two meanings" in message(place, "best")


def test_recipes_that_are_not_finished(tmp_path: Path) -> None:
    storage = finished_sweep(tmp_path)
    for share in (0, 50):
        remove_state(storage, end_of(storage, f"replay {share}%"))
    assert "it is not finished" in message(storage, "replay 0%")
    assert "none of its 2 recipes is finished" in message(storage, "best")
    assert "no sweep is there. Name a state" in message(Storage(tmp_path / "empty"), "best")


def test_averages_that_do_not_compare(tmp_path: Path) -> None:
    storage = make_storage(tmp_path)
    sweep = {"new.mixture": [{"new": 1}, {"older": 1}]}
    trained_recipe(storage, sweep=sweep)
    assert "their averages do not compare. Name a recipe by its label" in message(storage, "best")
