"""The numbers of the results table, by hand on a recipe of four steps."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from raycl.errors import InputError
from raycl.recipe.schema.search import Objective
from raycl.results.metrics import final_loss
from raycl.results.metrics.registry import METRICS, per_corpus
from raycl.results.outcome import BranchFact, RecipeOutcome, StageFact
from raycl.results.report.notes import notes
from raycl.results.table import (
    file_name,
    read_results,
    results_table,
    write_results,
)
from raycl.results.uncertainty.bootstrap import DocumentSums
from raycl.storage import Storage
from raycl.units import parse_length
from tests.helpers.outcomes import NAN, history, replayed, union
from tests.helpers.paths import ROOT


def test_the_numbers_by_hand() -> None:
    row = results_table([replayed(), union()]).iloc[0]
    expected = {
        "loss/english": 4.5,
        "loss/german": 5.0,
        "bits_per_byte/english": 4.5 / math.log(2) / 4,
        "bits_per_byte/german": 5.0 / math.log(2) / 5,
        "weight/english": 0.5,
        "weight/german": 0.5,
        "average": 4.75,
        "average_bits_per_byte": (4.5 / 4 + 5.0 / 5) / 2 / math.log(2),
        "forgetting/english": 0.5,
        "forgetting_from_best/english": 0.6,
        "adaptation/german": 2.0,
        "gap_to_union": 4.75 - 4.7,
        "backward_transfer": -0.5,
        "forward_transfer": 9.0 - 7.0,
        "spike/english": 0.5,
        "spike/german": 0.0,
        "recovery_tokens/german": 0.0,
        "rows/english": 10,
        "rows/german": 6,
        "tokens": 4000,
        "rows_replayed": 2,
        "realised_replay": 0.25,
        "seconds": 8.0,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["state"] == "000000004-abc"


def test_a_baseline_neither_forgets_nor_adapts() -> None:
    table = results_table([replayed(), union()])
    row = table.iloc[1]
    assert np.isnan(row["forgetting/english"])
    assert np.isnan(row["adaptation/german"])
    assert row["gap_to_union"] == 0
    assert "forgetting/german" not in table.columns


def back_again() -> RecipeOutcome:
    """A recipe that recovers from the hand-off and reaches the union."""
    curves = history([9.0, NAN, 4.0, 4.5, 4.0], [9.0, NAN, 7.0, 5.5, 5.0])
    return replayed("back again", history=curves)


def test_tokens_to_the_best_union_are_counted_in_the_last_stage() -> None:
    worse = replace(union(), label="worse", history=history([9.0] + [5.0] * 4, [9.0] + [6.0] * 4))
    table = results_table([replayed(), back_again(), worse, union()])
    reached = table["tokens_to_union"].tolist()
    assert np.isnan(reached[0])  # its last average is 4.75, the union's 4.7
    assert reached[1] == 2000
    assert np.isnan(reached[2:]).all()
    assert table["recovery_tokens/english"][1] == 2000
    assert "tokens_to_union" not in results_table([replayed(), union()]).columns


def test_the_final_losses_of_the_table_are_averaged() -> None:
    row = results_table([replayed(final_steps=2)]).iloc[0]
    assert row["loss/english"] == pytest.approx((3.9 + 4.5) / 2)
    assert row["loss/german"] == 5.0


def test_every_recipe_has_its_rows_of_every_corpus() -> None:
    only = pd.DataFrame({"step": [0, 1], "rows/english": [4, 4]})
    began = replayed("half", history=only, status="unfinished")
    never = replayed("never", history=pd.DataFrame(), status="failed")
    rows = results_table([replayed(), began, never])[["rows/english", "rows/german"]]
    assert rows.iloc[:2].to_numpy().tolist() == [[10, 6], [8, 0]]
    assert rows.iloc[2].isna().all()


def test_epochs_are_rows_read_by_rows_there_are() -> None:
    known = {"english": 5, "german": 12}
    never = replayed("never", history=pd.DataFrame(), status="failed", corpus_rows=known)
    table = results_table([replayed(corpus_rows=known), never])
    assert table[["epochs/english", "epochs/german"]].iloc[0].tolist() == [2, 0.5]
    assert table[["epochs/english", "epochs/german"]].iloc[1].isna().all()
    assert "epochs/english" not in results_table([replayed()]).columns


def test_what_was_read_more_than_once_is_told() -> None:
    known = {"english": 5, "german": 12}
    outcomes = [replayed(corpus_rows=known), replayed(corpus_rows=known | {"english": 4})]
    said = [note for note in notes(outcomes) if "more than once" in note]
    assert said == ["Read more than once, replay included: english 2 to 2.5 times."]
    assert not [note for note in notes([replayed()]) if "more than once" in note]


def test_every_column_is_defined_and_every_definition_is_a_column() -> None:
    results, _ = ROOT.joinpath("docs/metrics.md").read_text().split("\n## While it trains\n")
    lines = results.splitlines()
    defined = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert all(line.count("|") == 4 for line in lines if line.startswith("| `"))
    branch = BranchFact("replay 25%", "german", parse_length("100%"), 1)
    whole = replayed(
        tasks={"cloze": 0.5},
        setting="replay 25%",
        validation_rows={"english": 64},
        row_losses={"english": DocumentSums(np.array([4.0, 6.0]), np.array([1.0, 1.0]))},
        branch=branch,
        notes=("a note",),
        knows={"english": None},
        corpus_rows={"english": 5},
        objective=Objective(minimize=("english", "german")),
    )
    table = results_table([whole, back_again(), union()])
    patterns = [re.sub(r"/.*", "/<corpus>", name) for name in table.columns]
    patterns = [name.replace("task/<corpus>", "task/<task>") for name in patterns]
    fields = dict.fromkeys(replayed().fields, "<stage>.<field>")
    assert list(dict.fromkeys(fields.get(name, name) for name in patterns)) == defined


def test_an_unfinished_recipe_has_no_final_loss() -> None:
    half = replayed("half", history=replayed().history.iloc[:4], status="unfinished")
    row = results_table([half]).iloc[0]
    assert np.isnan(row["loss/english"])
    assert np.isnan(row["average"])
    assert row["tokens"] == 3000


def test_a_recipe_that_never_began_does_not_crash() -> None:
    failed = replayed("failed", history=pd.DataFrame(), bytes_per_token={}, status="failed")
    table = results_table([failed, replayed()])
    assert np.isnan(table["average"][0])
    assert table["tokens"][0] == 0
    assert np.isnan(table["realised_replay"][0])
    assert results_table([failed])["status"].tolist() == ["failed"]


def test_trained_weights_can_forget_what_the_recipe_never_taught() -> None:
    stage = StageFact("german", 0, 4, 4000, ("german",))
    begun = replayed(stages=(stage,))
    assert "forgetting/english" not in results_table([begun]).columns
    trained = replayed(stages=(stage,), starts_trained=True)
    assert results_table([trained])["forgetting/english"][0] == pytest.approx(4.5 - 9.0)


def test_written_tables_come_back(tmp_path: object) -> None:
    storage = Storage(str(tmp_path))
    mixed = replayed("replay 0", fields={"german.replay": 0, "german.schedule.max_lr": 3e-3})
    written = write_results(storage, "one", [replayed(), mixed, union()])
    pd.testing.assert_frame_equal(read_results(storage, "one"), written)
    assert written["german.replay"].tolist()[:2] == ["25%", "0"]
    names = storage.list("sweeps/one/history")
    labels = [replayed().label, "replay 0", "union"]
    assert names == sorted(f"{file_name(label)}.parquet" for label in labels)
    assert storage.exists("sweeps/one/results.csv")


def test_tables_say_their_format_and_older_ones_are_read(tmp_path: Path) -> None:
    storage, path = Storage(tmp_path), tmp_path / "sweeps/one/results.parquet"
    written = write_results(storage, "one", [replayed()])
    past = path.parent / f"history/{file_name(replayed().label)}.parquet"
    for file in (path, past):
        assert pq.read_schema(file).metadata[b"raycl_format"] == b"2"
    pd.testing.assert_frame_equal(pd.read_parquet(path), written)
    history = pd.read_parquet(past)
    pd.testing.assert_frame_equal(history, replayed().history)
    written.to_parquet(path, index=False)  # as before formats were counted
    pd.testing.assert_frame_equal(read_results(storage, "one"), written)


def test_a_newer_or_damaged_table_is_told(tmp_path: Path) -> None:
    storage, path = Storage(tmp_path), tmp_path / "sweeps/one/results.parquet"
    write_results(storage, "one", [replayed()])
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"raycl_format": b"3"}), path)
    with pytest.raises(InputError, match=r"results\.parquet.*format 3; this raycl reads .* to 2"):
        read_results(storage, "one")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"results\.parquet: not a readable Parquet file"):
        read_results(storage, "one")


def test_a_new_metric_is_one_function() -> None:
    def loss_in_bits(outcome: RecipeOutcome, corpus: str) -> float:
        return final_loss(outcome, corpus) / math.log(2)

    per_corpus("loss_in_bits")(loss_in_bits)
    try:
        table = results_table([replayed(), union()])
        with pytest.raises(ValueError, match="two metrics are called 'loss_in_bits'"):
            per_corpus("loss_in_bits")(final_loss)
    finally:
        del METRICS["loss_in_bits"]
    bits = [loss / math.log(2) for loss in (5.0, 5.2)]
    assert table["loss_in_bits/german"].tolist() == pytest.approx(bits)
    assert table.columns.tolist()[-3:] == ["loss_in_bits/german", "state", "status"]
    assert "loss_in_bits/german" not in results_table([replayed()])


def test_missing_results_are_said_to_be_missing(tmp_path: object) -> None:
    with pytest.raises(InputError, match="no results yet"):
        read_results(Storage(str(tmp_path)), "none")


LABELS = [
    "replay 5",
    "replay-5",
    "replay 5%",
    "Replay 5%",
    "replay 5 %",
    "%",
    "0.5 %",
    "öl",
    "con",
    " ",
    "replay 5 0123456789ab",
    *(f"mixture {'long ' * 60}{end}" for end in "ab"),
]


def test_two_labels_never_share_a_file() -> None:
    names = [file_name(label) for label in LABELS]
    assert names[0] == "replay-5"
    assert len({name.casefold() for name in names}) == len(LABELS)
    assert max(len(name.encode()) for name in names) <= 80
    for name in names:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name)


def test_a_file_is_named_by_its_label_alone(tmp_path: Path) -> None:
    """Otherwise a sweep with other recipes would write one's history into another's file."""
    storage = Storage(tmp_path)
    write_results(storage, "one", [replayed("replay 5%"), replayed("replay 5 %")])
    both = storage.list("sweeps/one/history")
    write_results(storage, "one", [replayed("replay 5 %")])
    assert storage.list("sweeps/one/history") == both
    assert len(both) == 2


def test_histories_by_former_names_are_replaced(tmp_path: Path) -> None:
    """0.1.0 called them replay-5 and replay-5-2, by their order."""
    storage = Storage(tmp_path)
    for name in ("replay-5", "replay-5-2", "somebody-s"):
        storage.write_bytes(f"sweeps/one/history/{name}.parquet", b"old")
    write_results(storage, "one", [replayed("replay 5%"), replayed("replay 5 %")])
    names = storage.list("sweeps/one/history")
    old = [name for name in names if storage.read_bytes(f"sweeps/one/history/{name}") == b"old"]
    assert old == ["somebody-s.parquet"]
    assert len(names) == 3
