"""One table holds losses on the same validation rows: of trainings on other rows it holds none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from raycl.cli.main import main
from raycl.recipe.definition import Definition
from raycl.results.named_state import named_state
from raycl.storage import Storage
from tests.helpers.report_page import snapshot_in
from tests.helpers.trained_recipes import outcomes_of, outcomes_table, trained_recipe
from tests.helpers.training_runs import make_storage

LOSSES = ["loss/older", "loss/new"]


def recipe(storage: Storage, rows: int, *rates: float, final_steps: int = 1) -> Definition:
    """A sweep over the last stage's rate, validated on so many rows of five, and trained."""
    return trained_recipe(
        storage,
        sweep={"new.schedule.max_lr": list(rates)},
        validation={"rows": rows, "every": 1, "final_steps": final_steps},
    )


@pytest.fixture(scope="module")
def on_four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with a recipe that was validated on four rows."""
    folder = tmp_path_factory.mktemp("four")
    recipe(make_storage(folder), 4, 1e-3)
    return folder


@pytest.fixture
def storage(on_four: Path, tmp_path: Path) -> Storage:
    shutil.copytree(on_four, tmp_path, dirs_exist_ok=True)
    return Storage(tmp_path)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_losses_on_other_rows_are_left_out_until_they_are_measured(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = recipe(storage, 2, 1e-3, 2e-3)
    table = outcomes_table(definition, storage)
    # The stage that both share was validated on four rows, so that nothing is forgotten either.
    assert table["status"].tolist() == ["finished", "finished"]
    assert table[LOSSES].isna().to_numpy().tolist() == [[True, True], [False, False]]
    assert table["validation_rows/new"].dropna().tolist() == [2]
    assert "forgetting/older" not in table
    command = f"raycl evaluate --storage {storage.url} --sweep small --rows 2"
    for note in table["note"]:
        assert "validated on 4 rows of each corpus, not on 2" in note
        assert command in note

    assert run("report", "--storage", storage.url) == 0
    out = capsys.readouterr().out
    assert command in out
    assert "on 2 validation rows of each corpus" in " ".join(out.split())
    (sweep,) = snapshot_in(storage.read_bytes("sweeps/small/report.html"))["sweeps"]
    assert any(command in note for note in sweep["notes"])

    assert run(*command.split()[1:]) == 0
    after = outcomes_table(definition, storage)
    assert not after[[*LOSSES, "forgetting/older"]].isna().any(axis=None)
    assert after["validation_rows/older"].tolist() == [2, 2]
    assert "note" not in after
    # Measured or validated by the training, it is the same loss.
    fresh = make_storage(Path(storage.url) / "fresh")
    trained = outcomes_table(recipe(fresh, 2, 1e-3, 2e-3), fresh)
    assert after[LOSSES].to_numpy() == pytest.approx(trained[LOSSES].to_numpy(), rel=1e-12)


def test_where_all_were_validated_on_other_rows_the_table_is_on_those(storage: Storage) -> None:
    before = outcomes_table(recipe(storage, 4, 1e-3), storage)
    after = outcomes_table(recipe(storage, 2, 1e-3), storage)
    assert after[LOSSES].equals(before[LOSSES])
    assert after["validation_rows/new"].tolist() == [4]
    assert "All were validated on 4 rows" in after["note"][0]
    assert "--rows 2" in after["note"][0]


def test_more_rows_count_when_every_recipe_has_them(storage: Storage) -> None:
    definition = recipe(storage, 4, 1e-3, 2e-3)
    before = outcomes_table(definition, storage)
    ends = [named_state(storage, label).state for label in before["recipe"]]
    assert run("evaluate", ends[0], "--storage", storage.url, "--rows", "5") == 0
    some = outcomes_table(definition, storage)
    assert some[LOSSES].equals(before[LOSSES])
    assert "1 of 2 finished recipes have losses on 5 validation rows" in some["note"][1]
    assert run("evaluate", "--sweep", "small", "--storage", storage.url, "--rows", "5") == 0
    table = outcomes_table(definition, storage)
    assert table["validation_rows/older"].tolist() == [5, 5]
    assert not (table[LOSSES] == before[LOSSES]).any(axis=None)
    assert table["average"].tolist() == pytest.approx(table[LOSSES].mean(axis=1).tolist())
    # Both ends of a change stay on the rows of the training.
    assert table["forgetting/older"].equals(before["forgetting/older"])
    assert "note" not in table


def test_what_is_measured_later_is_never_compared_with_a_mean(storage: Storage) -> None:
    definition = recipe(storage, 2, 1e-3, 2e-3, final_steps=2)
    assert run("evaluate", "--sweep", "small", "--storage", storage.url, "--rows", "2") == 0
    first, second = outcomes_of(definition, storage)
    assert first.last_alone == second.last_alone == {"older", "new"}
    single = outcomes_table(recipe(storage, 2, 1e-3, 2e-3), storage)
    assert outcomes_table(definition, storage)[LOSSES].equals(single[LOSSES])
