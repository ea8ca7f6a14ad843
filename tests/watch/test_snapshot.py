"""The snapshot: what JSON can hold, how far nodes are, which cells are best, whole curves."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from raycl.results.table import results_table
from raycl.watch.columns import shown_columns
from raycl.watch.live_record import Curve
from raycl.watch.node_curves import node_curves, thinned, thinned_to
from raycl.watch.snapshot import SweepFacts, sweep_line
from tests.helpers.outcomes import replayed, union
from tests.watch.examples import LABELS, example_snapshot, live_node


def test_a_snapshot_is_strict_json_with_every_field_of_the_contract() -> None:
    made = example_snapshot()
    assert json.loads(json.dumps(made, allow_nan=False))["format"] == 1
    (sweep,) = made["sweeps"]
    assert made["live"]
    assert sweep["summary"] == {
        "nodes": 5,
        "finished": 3,
        "training": 1,
        "silent": 0,
        "waiting": 0,
        "failed": 1,
        "held": 0,
        "steps_done": 7,
        "steps_total": 12,
        "steps_shared": 4,  # two steps that three recipes share
        "tokens_per_second": 500.0,
        "seconds_left": 10.0,  # five steps, of which one takes two seconds
    }
    failed = sweep["nodes"][-1]
    assert (failed["status"], failed["failure"]) == ("failed", "CUDA out of memory")
    recipe = sweep["recipes"][2]
    assert (recipe["label"], recipe["fields"]) == (LABELS[2], {"german.replay": "25%"})
    assert recipe["rows"] == {"english": 10, "german": 6}
    assert recipe["nodes"] == [sweep["nodes"][0]["name"], sweep["nodes"][3]["name"]]
    assert recipe["setting"] == recipe["label"]
    assert sweep["settings"] == []


def test_columns_have_the_names_of_the_results_table_and_the_best_cells_of_the_paper_s() -> None:
    better = replayed("replay 50%", fields={"german.replay": "50%"})
    better.history.loc[4, "validation/english"] = 4.1
    table = results_table([replayed(), better, union()])
    shown = shown_columns(table)
    computed = {"mean_forgetting", "mean_adaptation"}
    assert {column["name"] for column in shown.columns} - computed <= set(table.columns)
    assert shown.values["replay 50%"]["loss/english"] == 4.1
    assert "loss/english" in shown.best["replay 50%"]
    assert "union" not in shown.best
    assert [column["name"] for column in shown.columns if not column["hint"]] == []
    directions = {column["name"]: column["better"] for column in shown.columns}
    assert (directions["loss/english"], directions["adaptation/german"]) == (-1, 1)


def test_settings_have_the_spread_of_their_seeds() -> None:
    seeds = [
        replace(replayed(f"replay 25% seed {seed}"), setting="replay 25%", seed=seed)
        for seed in range(2)
    ]
    seeds[1] = replace(seeds[1], history=seeds[1].history.assign(**{"validation/german": 6.0}))
    known = SweepFacts("small", results_table(seeds), seeds)
    (setting,) = sweep_line(known, [])["settings"]
    spread = setting["values"]["loss/german"]
    assert (setting["seeds"], spread["n"], spread["mean"]) == (2, 2, 5.5)
    assert spread["sd"] == pytest.approx(math.sqrt(0.5))


def test_losses_have_their_standard_errors_and_say_on_how_many_rows_they_are() -> None:
    table = results_table([replayed(), union()])
    table["standard_error/german"] = [0.03, math.nan]
    table["validation_rows/english"] = table["validation_rows/german"] = 64.0
    line = sweep_line(SweepFacts("small", table), [])
    one, other = line["recipes"]
    bits = one["values"]["bits_per_byte/german"]
    assert one["standard_errors"] == {
        "loss/german": 0.03,
        "bits_per_byte/german": pytest.approx(0.03 * bits / 5.0),  # type: ignore[operator]
    }
    assert other["standard_errors"] == {}
    assert line["measured"].endswith("of the last stage on 64 validation rows of each corpus.")


def test_a_stored_table_alone_gives_its_recipes() -> None:
    table = results_table([replayed(), union()])
    line = sweep_line(SweepFacts("small", table, fields=["german.replay"]), [])
    assert [recipe["label"] for recipe in line["recipes"]] == ["replay 25%", "union"]
    assert [recipe["fields"]["german.replay"] for recipe in line["recipes"]] == ["25%", None]


def test_a_live_record_goes_on_where_the_history_ends() -> None:
    lines = pd.DataFrame({"step": [0, 1], "loss": [5.0, 4.0], "rows/german": [8, 8]})
    live = live_node("a").model_copy(
        update={"curves": {"loss": Curve(steps=(1, 2, 3), values=(9.0, 9.0, math.nan))}}
    )
    curves = node_curves([lines], live)
    assert curves["loss"] == ([1, 2, 3], [5.0, 4.0, None])
    assert curves["rows/german"] == ([2], [16.0])
    assert node_curves([], None) == {}


def test_curves_are_thinned_to_their_ends_and_what_lies_evenly_between() -> None:
    steps = list(range(101))
    values: list[float | None] = [float(step) for step in steps]
    assert thinned((steps, values), 3) == ([0, 50, 100], [0.0, 50.0, 100.0])
    many = {str(node): {"loss": (steps, values)} for node in range(10)}
    kept = thinned_to(many | {"short": {"loss": ([1], [2.0])}}, 201)
    assert [len(own["loss"][0]) for own in kept.values()] == [20] * 10 + [1]
