"""Annealed branches and baselines in the report, on made-up outcomes of three stages."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from raycl.results.outcome import RecipeOutcome
from raycl.results.report.cells import PaperTable
from raycl.results.report.figures import draw_figures
from raycl.results.report.groups import trunk
from raycl.results.report.palette import QUIET, looks
from raycl.results.report.table import paper_table, print_results, transfer_table
from raycl.results.report.tokens_axis import own_part
from raycl.results.table import results_table
from raycl.watch.columns import shown_columns
from tests.helpers.made_up import ANNEAL, STEPS, TOKENS_PER_STEP, anneal, outcomes

LAST_BRANCH = "infinite cosine, anneal code at 100%"


@pytest.fixture(scope="module")
def made() -> list[RecipeOutcome]:
    return outcomes()


def named(made: list[RecipeOutcome], label: str) -> RecipeOutcome:
    return next(outcome for outcome in made if outcome.label == label)


def column(table: PaperTable, title: str) -> dict[str, str]:
    place = table.columns.index(title)
    return {line.recipe: line.cells[place].text for line in table.lines}


def test_a_branch_finds_its_trunk(made: list[RecipeOutcome]) -> None:
    branch = named(made, LAST_BRANCH)
    assert trunk(branch, made) is made[0]
    longer = replace(made[0], label="infinite cosine, anneal fast")
    assert trunk(anneal(longer, 1), [made[0], longer]) is longer
    assert trunk(branch, [branch]) is None
    assert trunk(made[0], made) is None


def test_branches_wear_the_colour_of_their_trunk_and_baselines_grey(
    made: list[RecipeOutcome],
) -> None:
    appearance = looks(made)
    assert appearance[LAST_BRANCH].colour == appearance["infinite cosine"].colour
    assert appearance[LAST_BRANCH].line != appearance["infinite cosine"].line
    grey = [appearance[o.label] for o in made if o.is_baseline]
    assert {look.colour for look in grey} == {QUIET}
    assert len({str(look.line) for look in grey}) == len({look.marker for look in grey}) == 3
    alone = looks([named(made, LAST_BRANCH)])
    assert alone[LAST_BRANCH].colour != QUIET


def test_branches_stand_in_the_table_as_recipes(made: list[RecipeOutcome]) -> None:
    table = results_table(made)
    paper = paper_table(table)
    assert [line.recipe for line in paper.lines if line.is_baseline] == [
        "pile, german only",
        "union",
        "code from scratch",
    ]
    assert column(paper, "mean forgetting")[LAST_BRANCH] == "+0.51"
    # Off an earlier stage a branch has less to forget, so its mean would be of other corpora.
    assert column(paper, "mean forgetting")["infinite cosine, anneal german at 100%"] == "–"
    assert column(paper, "adaptation code")["infinite cosine, anneal german at 100%"] == "–"
    best = {
        title: [line.recipe for line in paper.lines if line.cells[place].best]
        for place, title in enumerate(paper.columns)
    }
    assert best["pile"] == ["infinite cosine, anneal pile at 100%"]
    assert best["adaptation code"] == [LAST_BRANCH, "cosine, replay 0%"]


def test_the_terminal_dims_baselines_only(made: list[RecipeOutcome]) -> None:
    written = io.StringIO()
    console = Console(file=written, width=130, force_terminal=True, color_system="standard")
    print_results(results_table(made), console)
    dimmed = [line for line in written.getvalue().splitlines() if "\x1b[2m" in line]
    for line in dimmed:
        assert any(name in line for name in ("only", "union", "scratch"))
    assert len(dimmed) == 3


def test_the_best_average_may_be_a_branch(made: list[RecipeOutcome]) -> None:
    chosen = [made[0], named(made, LAST_BRANCH), named(made, "union")]
    paper = paper_table(results_table(chosen))
    place = paper.columns.index("AVG")
    assert [line.recipe for line in paper.lines if line.cells[place].best] == [LAST_BRANCH]
    assert column(paper, "AVG")[LAST_BRANCH] == "2.83"
    assert column(paper, "gap to union")[LAST_BRANCH] == "+0.28"


def test_what_stages_do_to_each_other_has_its_own_table(made: list[RecipeOutcome]) -> None:
    table = transfer_table(results_table(made))
    assert table.columns[:4] == (
        "backward transfer",
        "forward transfer",
        "spike pile",
        "recovery pile",
    )
    assert set(column(table, "recovery pile").values()) == {"never", "–"}
    assert column(table, "recovery code")[LAST_BRANCH] == "0"
    best = {line.recipe for line in table.lines for cell in line.cells if cell.best}
    assert "infinite cosine, anneal german at 100%" not in best  # another hand-off
    assert "cosine, replay 5%" in best
    assert column(table, "backward transfer")["cosine, replay 5%"] == "−0.45"
    assert column(table, "spike german")["union"] == "–"
    columns = shown_columns(results_table(made)).columns
    assert {column["group"] for column in columns} >= {"loss", "bits per byte", "transfer"}


def test_what_is_drawn_of_a_branch_is_its_own() -> None:
    trunk = pd.Series([9.0, 5.0, 4.0, 3.9], index=[0, 2, 4, 6])
    assert own_part(pd.Series([9.0, 5.0, 3.5], index=[0, 2, 3]), trunk).index.tolist() == [2, 3]
    assert own_part(pd.Series([9.0, 5.0, 3.5], index=[0, 2, 4]), trunk).index.tolist() == [2, 4]
    beyond = pd.Series([9.0, 5.0, 4.0, 3.9, 3.0], index=[0, 2, 4, 6, 8])
    assert own_part(beyond, trunk).index.tolist() == [6, 8]
    assert own_part(pd.Series([8.0], index=[0]), trunk).tolist() == [8.0]
    assert own_part(pd.Series(dtype="float64"), trunk).empty


def test_figures_hold_branches_without_being_crowded(made: list[RecipeOutcome]) -> None:
    drawings = {drawing.name: drawing for drawing in draw_figures(made)}
    assert list(drawings) == ["loss-0", "loss-1", "loss-2", "trade", "learning-rate"]
    first, last = drawings["loss-0"].figure.axes[0], drawings["loss-2"].figure.axes[0]
    texts = [text.get_text() for text in first.texts]
    assert sorted(texts) == sorted(
        [
            "hand-off",
            "hand-off",
            "infinite cosine",
            "cosine, replay 0%",
            "cosine, replay 5%",
            "pile, german only",
            "union",
        ]
    )
    stars = [line for line in first.lines if line.get_marker() == "*"]
    ends = [float(np.asarray(line.get_xdata())[0]) for line in stars]
    assert ends == [(count * STEPS + ANNEAL) * TOKENS_PER_STEP for count in (1, 2, 3)]
    # Two of the branches never read the last corpus, and neither did the previous baseline.
    assert len([line for line in last.lines if line.get_marker() == "*"]) == 1
    assert "pile, german only" not in [text.get_text() for text in last.texts]
    assert "from scratch" in drawings["loss-2"].caption
    assert "before the last stage" in drawings["loss-0"].caption


def test_the_learning_rate_names_each_schedule_and_its_branches_once(
    made: list[RecipeOutcome],
) -> None:
    drawing = next(d for d in draw_figures(made) if d.name == "learning-rate")
    legend = drawing.figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "infinite cosine",
        "max 3e-4, 2 recipes",
        "union",
        "annealed branches",
    ]


def test_a_spike_at_an_earlier_hand_off_is_within_the_axes(made: list[RecipeOutcome]) -> None:
    # The first hand-off is the worst one here: the axis must not be chosen by the last alone.
    bare = named(made, "cosine, replay 0%")
    spiked = bare.history.copy()
    within = (spiked["step"] > STEPS + STEPS // 10) & (spiked["step"] < STEPS + STEPS // 5)
    spiked.loc[within & spiked["validation/pile"].notna(), "validation/pile"] = 6.5
    drawing = draw_figures([replace(bare, history=spiked)])[0]
    assert drawing.figure.axes[0].get_ylim()[1] > 6.5


def test_a_sweep_of_one_stage_with_branches_is_drawn(made: list[RecipeOutcome]) -> None:
    one = replace(made[0], stages=made[0].stages[:1])
    one = replace(one, history=one.history[one.history["step"] < STEPS])
    drawings = draw_figures([one, anneal(one, 1)])
    assert [drawing.name for drawing in drawings][-1] == "learning-rate"
    assert "trade" not in [drawing.name for drawing in drawings]
