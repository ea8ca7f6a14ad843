"""The figures and the table of a made-up sweep of realistic size."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from raycl.advice.advise import advise
from raycl.results.outcome import RecipeOutcome, StageFact
from raycl.results.report.figures import draw_figures
from raycl.results.report.groups import rate_groups
from raycl.results.report.labels import spread
from raycl.results.report.number_text import loss_text, rate_text, share_text, tokens_text
from raycl.results.report.palette import looks
from raycl.results.report.table import print_results
from raycl.results.table import results_table
from raycl.storage import Storage
from raycl.sweep.report import write_figures
from raycl.watch.page.render import render
from raycl.watch.snapshot import SweepFacts, snapshot, sweep_line

HALF = 2000  # steps of each stage


def rates(max_lr: float, min_lr: float, steps: int) -> np.ndarray:
    step = np.arange(steps)
    warm_up = max(steps // 100, 1)
    cosine = min_lr + (max_lr - min_lr) * (1 + np.cos(np.pi * step / steps)) / 2
    return np.minimum(cosine, np.maximum(step / warm_up, 0 if max_lr > min_lr else 1) * max_lr)


def fall(start: float, end: float, steps: int, speed: float = 0.12) -> np.ndarray:
    place = np.arange(1, steps + 1) / steps
    curve: np.ndarray = (1 + place / speed * 6) ** -0.8
    fallen: np.ndarray = end + (start - end) * (curve - curve[-1]) / (1 - curve[-1])
    return fallen


def rise(start: float, end: float, steps: int) -> np.ndarray:
    place = np.arange(1, steps + 1) / steps
    spike = 0.9 * (end - start) * np.exp(-(((place - 0.06) / 0.09) ** 2)) * 0.35
    return start + (end - start) * (1 - np.exp(-place / 0.12)) + spike


def made_history(
    rate: np.ndarray, english: np.ndarray, german: np.ndarray, replay: np.ndarray
) -> pd.DataFrame:
    steps = len(rate)
    measured = (np.arange(steps) + 1) % 100 == 0
    table = pd.DataFrame(
        {
            "step": np.arange(steps),
            "learning_rate": rate,
            "seconds": 0.21,
            "rows/english": replay,
            "rows/german": 128 - replay,
            "validation/english": np.where(measured, english, np.nan),
            "validation/german": np.where(measured, german, np.nan),
        }
    )
    first = {"step": [-1], "validation/english": [10.83], "validation/german": [10.84]}
    return pd.concat([pd.DataFrame(first), table], ignore_index=True)


def recipe(label: str, share: float, max_lr: float, english: float, german: float) -> RecipeOutcome:
    first = StageFact("english", 0, HALF, HALF * 65536, ("english",), 0.0, 3e-3)
    second = StageFact("german", HALF, 2 * HALF, HALF * 65536, ("german",), share, max_lr)
    rows = np.where(np.arange(2 * HALF) < HALF, 128, np.round(128 * share))
    history = made_history(
        np.concatenate([rates(3e-3, 3e-4, HALF), rates(max_lr, 3e-4, HALF)]),
        np.concatenate([fall(10.8, 4.79, HALF), rise(4.79, english, HALF)]),
        np.concatenate([fall(10.8, 8.61, HALF), fall(8.61, german, HALF)]),
        rows,
    )
    fields = {"german.replay": f"{100 * share:g}%", "german.schedule.max_lr": max_lr}
    return RecipeOutcome(
        label,
        "sweep",
        fields,
        (first, second),
        history,
        65536,
        {"english": 4.3, "german": 3.9},
        f"000004000-{abs(hash(label)):032x}"[:42],
        "finished",
    )


def test_another_kind_of_schedule_is_no_point_on_a_line_of_rates() -> None:
    cosines = [recipe(f"max LR {rate}", 0.05, rate, 6.0, 5.0) for rate in (1e-3, 3e-3)]
    plain = recipe("constant", 0.05, 3e-4, 5.0, 6.0)
    last = replace(plain.stages[-1], schedule="constant")
    constant = replace(plain, stages=(*plain.stages[:-1], last))
    assert rate_groups([*cosines, constant]) == [cosines]
    assert rate_groups([cosines[0], constant]) == []


def baseline(label: str, kind: str, steps: int, english: float, german: float) -> RecipeOutcome:
    new = ("english", "german") if kind == "union" else ("german",)
    stage = StageFact(kind, 0, steps, steps * 65536, new, 0.0, 3e-3)
    curves = (fall(10.8, english, steps), fall(10.8, german, steps))
    rows = np.full(steps, 64 if kind == "union" else 0)
    history = made_history(rates(3e-3, 3e-4, steps), *curves, rows)
    per_token = {"english": 4.3, "german": 3.9}
    return RecipeOutcome(label, kind, {}, (stage,), history, 65536, per_token, "", "finished")


@pytest.fixture(scope="module")
def outcomes() -> list[RecipeOutcome]:
    return [
        recipe("replay 0 %", 0.0, 3e-3, 6.55, 4.68),
        recipe("replay 1 %", 0.01, 3e-3, 5.72, 4.68),
        recipe("replay 5 %", 0.05, 3e-3, 5.31, 4.69),
        recipe("replay 25 %", 0.25, 3e-3, 4.81, 4.74),
        recipe("replay 50 %", 0.50, 3e-3, 4.56, 4.88),
        recipe("constant min LR", 0.0, 3e-4, 6.02, 4.97),
        recipe("max LR 1.5e-3", 0.0, 1.5e-3, 6.39, 4.74),
        recipe("max LR 6e-3", 0.0, 6e-3, 6.71, 4.70),
        baseline("union", "union", 2 * HALF, 4.62, 4.82),
        baseline("german from scratch", "scratch", HALF, 7.61, 4.79),
    ]


def test_the_terminal_table_fits_and_prints_every_recipe(outcomes: list[RecipeOutcome]) -> None:
    written = io.StringIO()
    print_results(results_table(outcomes), Console(file=written, width=100))
    lines = written.getvalue().splitlines()
    assert max(len(line) for line in lines) <= 100
    row = next(line for line in lines if "replay 5 %" in line)
    assert row.split()[3:] == ["5.31", "4.69", "5.00", "+0.52", "+3.92", "+0.28"]


def test_figures_are_saved_whatever_a_label_is(
    outcomes: list[RecipeOutcome], tmp_path: Path
) -> None:
    planted = recipe("<script>window.planted = 1</script> & $x^$", 0.1, 3e-3, 5.05, 4.7)
    write_figures(Storage(str(tmp_path)), "one", [*outcomes, planted])
    pictures = {path.stem: path.read_bytes() for path in tmp_path.rglob("*.png")}
    assert sorted(pictures) == ["learning-rate", "loss-0", "loss-1", "max-lr", "trade"]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())


def test_colours_of_recipes_differ(outcomes: list[RecipeOutcome]) -> None:
    swept = [looks(outcomes)[o.label].colour for o in outcomes if o.kind == "sweep"]
    assert len(set(swept)) == len(swept)


def test_a_grid_of_replay_and_rate_is_drawn() -> None:
    grid = [
        recipe(f"replay {share}, max {rate}", share, rate, 6 - 2 * share, 4.7 + share / 3)
        for share in (0.0, 0.05, 0.25)
        for rate in (1e-3, 3e-3)
    ]
    assert [d.name for d in draw_figures(grid)][-2:] == ["max-lr", "learning-rate"]
    colours = looks(grid)
    assert colours[grid[0].label].colour == colours[grid[1].label].colour
    assert colours[grid[0].label].line != colours[grid[1].label].line


def test_an_empty_and_a_failed_sweep_still_have_a_page(tmp_path: Path) -> None:
    failed = RecipeOutcome("one", "sweep", {}, (), pd.DataFrame(), 1, status="failed")
    said = {"There are no recipes.": [], "0 of 1 recipes have finished.": [failed]}
    for headline, outcomes in said.items():
        write_figures(Storage(str(tmp_path)), "one", outcomes)
        table = results_table(outcomes)
        known = SweepFacts("one", table, outcomes, advice=advise(outcomes, table))
        line = sweep_line(known, [])
        assert line["headline"] == headline
        assert [recipe["status"] for recipe in line["recipes"]] == [o.status for o in outcomes]
        render({**snapshot("/runs", datetime.now(UTC), [line]), "curves": {}, "logs": {}})
    print_results(results_table([failed]), Console(file=io.StringIO()))


def test_spread_labels_keep_apart_and_inside() -> None:
    placed = spread([0.5, 0.5, 0.51, 0.02, 0.99], 0.1, 0.0, 1.0)
    assert np.diff(sorted(placed)).min() >= 0.1 - 1e-9
    assert min(placed) >= 0
    assert max(placed) <= 1
    assert placed[3] == pytest.approx(0.02)


def test_numbers_as_people_write_them() -> None:
    assert [loss_text(v, True) for v in (1.388, -0.001, -0.2)] == ["+1.39", "0.00", "−0.20"]
    assert [rate_text(v) for v in (3e-4, 1.5e-3, None)] == ["3e-4", "1.5e-3", "–"]
    assert [tokens_text(v) for v in (262e6, 1.5e9, 12)] == ["262M", "1.5B", "12"]
    assert share_text(0.005) == "0.5 %"
