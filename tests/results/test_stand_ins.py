"""Results of a model that knows stand-ins: old and new sides, changes, notes; from real trainings.

Losses are of a tiny model that is trained in this process.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from raycl.advice.advise import advise
from raycl.evaluation.store import add_losses
from raycl.recipe.definition import bind_corpora, definition_of
from raycl.recipe.resolution import store_starts
from raycl.recipe.sweep_plan import PlannedSweep, plan_sweeps
from raycl.results.gather import gather
from raycl.results.metrics import (
    Sides,
    adaptation,
    final_loss,
    forgetting,
    learned_loss,
    own_sides,
)
from raycl.results.outcome import RecipeOutcome, StageFact, corpora_of
from raycl.results.report.figures import draw_figures
from raycl.results.report.notes import notes
from raycl.results.report.table import paper_table
from raycl.results.stored_states import StoredStates
from raycl.results.table import results_table
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from raycl.watch.snapshot import SweepFacts, sweep_line
from tests.helpers.checkpoints import usable_checkpoint
from tests.helpers.finished_sweep import RECIPE, SCHEDULE, train_node
from tests.helpers.outcomes import GERMAN, replayed
from tests.helpers.training_runs import make_storage


def planned(storage: Storage, folder: Path, **changes: Any) -> PlannedSweep:
    """A sweep of a given model over replay, with all baselines; `older` stands in."""
    data = {
        **RECIPE,
        "model": {"pretrained": str(folder), "knows": ["older"]},
        "stages": [{"name": "new", "steps": 6, "schedule": SCHEDULE}],
        "baselines": ["union", "scratch", "previous"],
        **changes,
    }
    (sweep,) = plan_sweeps((definition_of(data, "r.yaml"),), storage).sweeps
    return sweep


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Storage, PlannedSweep]:
    """A storage in which every recipe of `planned` is trained."""
    folder = tmp_path_factory.mktemp("stand-ins")
    storage = make_storage(folder / "storage")
    model = usable_checkpoint(folder / "model")
    sweep = planned(storage, model)
    plan = plan_sweeps((sweep.definition,), storage)
    store_starts(plan.resolution, storage)
    bind_corpora(storage, sweep.facts)
    for node in plan.tree.nodes:
        train_node(node.training, storage)
    return storage, sweep


@pytest.fixture(scope="module")
def outcomes(world: tuple[Storage, PlannedSweep]) -> list[RecipeOutcome]:
    storage, sweep = world
    return gather(sweep, StoredStates(storage, complete_states(storage)))


def by_label(outcomes: list[RecipeOutcome]) -> dict[str, RecipeOutcome]:
    return {outcome.label: outcome for outcome in outcomes}


def test_the_model_as_it_came_is_a_row(outcomes: list[RecipeOutcome]) -> None:
    found = by_label(outcomes)
    assert list(found) == [
        "replay 0%",
        "replay 50%",
        "union with stand-ins",
        "new from scratch",
        "as it came",
    ]
    start = found["as it came"]
    assert (start.kind, start.status, start.state, start.steps) == ("previous", "finished", "", 0)
    for corpus in ("older", "new"):
        assert final_loss(start, corpus) == found["replay 0%"].curves[corpus][0]
        assert final_loss(start, corpus) == pytest.approx(math.log(64), abs=0.05)


def test_forgetting_is_measured_whether_or_not_a_recipe_replays(
    outcomes: list[RecipeOutcome],
) -> None:
    table = results_table(outcomes).set_index("recipe")
    rows: dict[str, dict[str, Any]] = {str(name): dict(row) for name, row in table.iterrows()}
    start = rows["as it came"]["loss/older"]
    for label in ("replay 0%", "replay 50%"):
        row = rows[label]
        assert row["forgetting/older"] == pytest.approx(row["loss/older"] - start)
        assert (row["weight/older"], row["weight/new"]) == (0.5, 0.5)
        assert row["average"] == pytest.approx((row["loss/older"] + row["loss/new"]) / 2)
        assert row["gap_to_union"] == pytest.approx(
            row["average"] - rows["union with stand-ins"]["average"]
        )
    assert rows["replay 50%"]["realised_replay"] == 0.5
    assert table["knows"].to_dict() == {
        "replay 0%": "older",
        "replay 50%": "older",
        "union with stand-ins": "older",
        "new from scratch": "",
        "as it came": "older",
    }
    # Half stand-ins is what the union reads, so that it is the same training here.
    assert rows["replay 50%"]["state"] == rows["union with stand-ins"]["state"]


def test_results_say_that_a_corpus_stands_in(outcomes: list[RecipeOutcome]) -> None:
    said = notes(outcomes)
    assert said[0].startswith(
        "older stands in for what the model was trained on before: forgetting is measured on it"
    )
    assert "not a model from scratch" in said[1]
    assert "documents" in said[2]
    assert len(said) == 3
    table = results_table(outcomes)
    line = sweep_line(SweepFacts("small", table, outcomes, advice=advise(outcomes, table)), [])
    assert line["notes"] == said
    assert not any("held out only" in column["title"] for column in line["columns"])
    assert "from scratch" not in line["headline"]
    drawings = draw_figures(outcomes)
    assert "Loss on older" in " ".join(drawing.title for drawing in drawings)
    axes = [axes for drawing in drawings for axes in drawing.figure.axes]
    assert "hand-off" not in [text.get_text() for one in axes for text in one.texts]
    shown = paper_table(table)
    assert shown.columns[:5] == ("older", "new", "AVG", "forgetting older", "adaptation new")


def test_an_unfinished_sweep_has_no_start_yet(world: tuple[Storage, PlannedSweep]) -> None:
    storage, sweep = world
    start = by_label(gather(sweep, StoredStates(storage, [])))["as it came"]
    assert (start.status, start.steps) == ("unfinished", 0)
    assert math.isnan(final_loss(start, "older"))
    assert len(results_table([start])) == 1


def test_a_start_has_no_loss_on_more_rows(
    world: tuple[Storage, PlannedSweep], tmp_path: Path
) -> None:
    trained, sweep = world
    shutil.copytree(str(trained.local_root), tmp_path / "copy")
    storage = Storage(tmp_path / "copy")
    states = StoredStates(storage, complete_states(storage))
    for outcome in gather(sweep, states):
        if outcome.state:
            content = {name: sweep.facts[name].fingerprint for name in ("older", "new")}
            add_losses(storage, outcome.state, {(c, f, 5): 3.0 for c, f in content.items()})
    found = by_label(gather(sweep, StoredStates(storage, complete_states(storage))))
    assert final_loss(found["replay 0%"], "older") == 3.0
    assert math.isnan(final_loss(found["as it came"], "older"))
    assert "no state" in found["as it came"].notes[0]
    assert not math.isnan(forgetting(found["replay 0%"], "older"))


def test_several_starts_have_a_row_each(
    world: tuple[Storage, PlannedSweep], tmp_path: Path
) -> None:
    storage, _ = world
    base, other = (
        usable_checkpoint(tmp_path / "base"),
        usable_checkpoint(tmp_path / "other", seed=1),
    )
    swept = planned(storage, base, sweep={"model.pretrained": [str(base), str(other)]})
    found = gather(swept, StoredStates(storage, []))
    starts = [outcome.label for outcome in found if outcome.kind == "previous"]
    assert starts == [f"{base} as it came", f"{other} as it came"]


ENGLISH_KNOWN = {"english": None}
ONE = StageFact("german", 0, 4, 4000, ("german",), 0.0, 3e-3)


def known(*stages: StageFact, knows: Any = ENGLISH_KNOWN, **changes: Any) -> RecipeOutcome:
    return replayed("r", stages=stages, knows=knows, starts_trained=True, fields={}, **changes)


def test_one_stage_has_an_old_and_a_new_side() -> None:
    outcome = known(ONE)
    assert own_sides(outcome) == Sides({"english": 1.0}, {"german": 1.0})
    assert forgetting(outcome, "english") == pytest.approx(4.5 - 9.0)
    assert adaptation(outcome, "german") == pytest.approx(9.0 - 5.0)
    assert math.isnan(adaptation(outcome, "english"))
    assert corpora_of([outcome]) == ["english", "german"]


def test_stand_ins_weigh_alike_or_by_their_tokens() -> None:
    alike = own_sides(known(ONE, knows={"english": None, "code": None}))
    assert alike.old == {"english": 0.5, "code": 0.5}
    counted = own_sides(known(ONE, knows={"english": 3000, "code": 1000}))
    assert counted.old == {"english": 0.75, "code": 0.25}


def test_earlier_stages_share_the_old_side_with_stand_ins() -> None:
    french = StageFact("french", 4, 8, 4000, ("french",))
    assert own_sides(known(ONE, french)).old == {"german": 0.5, "english": 0.5}
    counted = own_sides(known(ONE, french, knows={"english": 12_000}))
    assert counted.old == {"english": 0.75, "german": 0.25}


def test_a_stand_in_in_the_mixture_is_old() -> None:
    mixed = replace(ONE, new=("german", "english"), shares=(0.75, 0.25))
    outcome = known(mixed)
    assert own_sides(outcome) == own_sides(known(ONE))
    assert forgetting(outcome, "english") == forgetting(known(ONE), "english")
    assert math.isnan(adaptation(outcome, "english"))
    everything = known(replace(ONE, new=("english",)))
    assert own_sides(everything) == Sides({"english": 1.0}, {"english": 1.0})
    assert not math.isnan(adaptation(everything, "english"))


def test_a_second_stage_is_compared_with_the_start_on_stand_ins() -> None:
    first = StageFact("german", 0, 2, 2000, ("german",), 0.0, 3e-3)
    second = replace(GERMAN, name="french", new=("french",), replayed=("english",))
    outcome = known(first, second)
    assert learned_loss(outcome, "english") == 9.0
    assert learned_loss(outcome, "german") == 7.0


def test_without_stand_ins_nothing_is_said() -> None:
    outcome = replayed()
    assert not any("stand" in note for note in notes([outcome]))
    assert "knows" not in results_table([outcome])
    assert isinstance(results_table([outcome]), pd.DataFrame)
