"""Every measure by hand, on a recipe of three stages of four steps each."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.results.metrics import (
    Spike,
    TokensToReach,
    adaptation,
    average_loss,
    backward_transfer,
    end_loss,
    final_bits_per_byte,
    final_loss,
    forgetting,
    forgetting_from_best,
    forward_transfer,
    learned_loss,
    loss_matrix,
    replayed_rows,
    rows_read,
    spike,
    tokens_to_reach,
)
from raycl.results.outcome import RecipeOutcome, StageFact, corpora_of

NAN = math.nan
A = StageFact("a", 0, 4, 400, ("a",))
B = StageFact("b", 4, 8, 400, ("b",), 0.25)
C = StageFact("c", 8, 12, 400, ("c",), 0.25)
# Measured before training and after every second step.
LOSSES = {
    "a": [9.0, 6.0, 4.0, 5.0, 4.5, 4.6, 4.3],
    "b": [9.0, 8.5, 8.0, 6.0, 5.0, 5.5, 5.0],
    "c": [9.0, 8.0, 7.0, 6.5, 6.4, 4.0, 3.0],
}


def made(losses: dict[str, list[float]], **changes: object) -> RecipeOutcome:
    count = max(len(curve) for curve in losses.values())
    columns: dict[str, object] = {"step": [2 * place - 1 for place in range(count)]}
    columns |= {f"validation/{corpus}": curve for corpus, curve in losses.items()}
    outcome = RecipeOutcome("r", "sweep", {}, (A, B, C), pd.DataFrame(columns), 100)
    return replace(outcome, **changes)  # type: ignore[arg-type]


@pytest.fixture
def recipe() -> RecipeOutcome:
    return made(LOSSES)


def unfinished(recipe: RecipeOutcome, steps: int) -> RecipeOutcome:
    return replace(recipe, history=recipe.history[recipe.history["step"] < steps])


def test_the_loss_matrix_has_the_start_and_the_end_of_each_stage(recipe: RecipeOutcome) -> None:
    matrix = loss_matrix(recipe)
    assert matrix.index.tolist() == [(s, at) for s in "abc" for at in ("start", "end")]
    assert matrix.columns.tolist() == ["a", "b", "c"]
    assert matrix["a"].tolist() == [9.0, 4.0, 4.0, 4.5, 4.5, 4.3]
    assert matrix["c"].tolist() == [9.0, 7.0, 7.0, 6.4, 6.4, 3.0]
    half = loss_matrix(unfinished(recipe, 8))
    assert half.loc[("c", "start"), "a"] == 4.5
    assert half.xs(("c", "end")).isna().all()


def test_a_final_loss_is_averaged_over_the_last_steps(recipe: RecipeOutcome) -> None:
    assert final_loss(recipe, "a") == 4.3
    assert final_loss(replace(recipe, final_steps=2), "a") == 4.3  # after 10 steps is 2 before
    assert final_loss(replace(recipe, final_steps=3), "a") == pytest.approx((4.6 + 4.3) / 2)
    # A window longer than the stage does not reach into the stage before.
    long = replace(recipe, final_steps=100)
    assert final_loss(long, "a") == pytest.approx((4.6 + 4.3) / 2)
    assert end_loss(long, "a", B) == pytest.approx((5.0 + 4.5) / 2)
    bits = final_bits_per_byte(replace(recipe, bytes_per_token={"a": 4.0}), "a")
    assert bits == pytest.approx(4.3 / math.log(2) / 4)
    assert math.isnan(final_bits_per_byte(recipe, "a"))


def test_without_a_measurement_at_the_end_there_is_no_final_loss() -> None:
    gone = made({"a": [*LOSSES["a"][:-1], NAN], "b": LOSSES["b"]}, final_steps=5)
    assert math.isnan(final_loss(gone, "a"))
    assert math.isnan(average_loss(gone, ["a", "b"]))
    assert average_loss(gone, ["b"]) == pytest.approx((5.5 + 5.0) / 2)


def test_forgetting_and_adaptation(recipe: RecipeOutcome) -> None:
    assert forgetting(recipe, "a") == pytest.approx(4.3 - 4.0)
    assert forgetting(recipe, "b") == 0.0
    assert math.isnan(forgetting(recipe, "c"))
    assert forgetting_from_best(recipe, "a") == pytest.approx(0.3)
    assert adaptation(recipe, "c") == pytest.approx(6.4 - 3.0)
    assert math.isnan(adaptation(recipe, "b"))


def test_forgetting_compares_averages_with_averages(recipe: RecipeOutcome) -> None:
    averaged = replace(recipe, final_steps=3)
    assert learned_loss(averaged, "a") == pytest.approx((6.0 + 4.0) / 2)
    assert forgetting(averaged, "a") == pytest.approx((4.6 + 4.3) / 2 - (6.0 + 4.0) / 2)


def test_backward_transfer_is_positive_where_later_stages_help(recipe: RecipeOutcome) -> None:
    assert backward_transfer(recipe) == pytest.approx(((4.0 - 4.3) + (5.0 - 5.0)) / 2)
    better = made(LOSSES | {"a": [9.0, 6.0, 4.0, 5.0, 4.5, 4.0, 3.0]})
    assert backward_transfer(better) == pytest.approx(0.5)
    ends = loss_matrix(recipe).xs("end", level="at")
    by_matrix = np.mean([ends[d][d] - ends[d]["c"] for d in ("a", "b")])
    assert backward_transfer(recipe) == pytest.approx(by_matrix)


def test_forward_transfer_is_the_fall_before_a_corpus_is_learned(recipe: RecipeOutcome) -> None:
    assert forward_transfer(recipe) == pytest.approx(((9.0 - 8.0) + (9.0 - 6.4)) / 2)
    # A corpus that comes again was first learned before, and counts once.
    again = replace(recipe, stages=(A, B, replace(C, new=("b", "a"))))
    assert forward_transfer(again) == pytest.approx(9.0 - 8.0)
    assert math.isnan(forward_transfer(replace(recipe, stages=(A,))))
    assert math.isnan(forward_transfer(unfinished(recipe, 6)))  # c is not there yet


def test_a_spike_has_a_height_and_a_recovery(recipe: RecipeOutcome) -> None:
    # a at the hand-off to c: 4.5, then 4.6, then 4.3: back after four steps of 100 tokens.
    found = spike(recipe, C, "a")
    assert found.height == pytest.approx(0.1)
    assert found.recovery_tokens == 400
    never = spike(recipe, B, "a")
    assert never.height == 1.0
    assert math.isnan(never.recovery_tokens)
    # At or below counts as back.
    assert spike(recipe, C, "b") == Spike(0.5, 400.0)
    # A corpus new in the stage may spike as well; here it only falls.
    assert spike(recipe, C, "c") == Spike(0.0, 0.0)


def test_recovery_is_after_the_highest_loss() -> None:
    dipping = made({"a": [9.0, 6.0, 4.0, 5.0, 4.5, 4.4, 4.9]})
    found = spike(dipping, C, "a")
    assert found.height == pytest.approx(0.4)
    assert math.isnan(found.recovery_tokens)


def test_where_there_is_no_spike_to_speak_of(recipe: RecipeOutcome) -> None:
    nothing = [
        spike(recipe, A, "a"),  # the first stage is no hand-off
        spike(recipe, B, "c"),  # c is neither new nor learned yet
        spike(recipe, C, "unknown"),
        spike(unfinished(recipe, 10), C, "a"),  # the highest loss may still come
        spike(replace(recipe, kind="previous"), C, "a"),
    ]
    assert all(math.isnan(s.height) and math.isnan(s.recovery_tokens) for s in nothing)
    # Pre-trained weights are handed to the first stage.
    assert spike(replace(recipe, starts_trained=True), A, "b") == Spike(0.0, 0.0)


def test_tokens_to_reach_a_loss(recipe: RecipeOutcome) -> None:
    # Averages: 9, 7.5, 6.33, 5.83, 5.3, 4.7, 4.1
    assert tokens_to_reach(recipe, 5.5) == TokensToReach(800.0, 0.0)
    assert tokens_to_reach(recipe, 5.0) == TokensToReach(1000.0, 200.0)
    assert tokens_to_reach(recipe, 4.5, ["a"]) == TokensToReach(400.0, 0.0)
    assert tokens_to_reach(recipe, 4.3, ["a"]) == TokensToReach(400.0, 400.0)
    for never in (tokens_to_reach(recipe, 1.0), tokens_to_reach(recipe, NAN)):
        assert math.isnan(never.recipe)
        assert math.isnan(never.last_stage)
    assert math.isnan(tokens_to_reach(recipe, 5.0, ["a", "unknown"]).recipe)


@pytest.mark.parametrize("kind", ["previous", "union", "scratch"])
def test_baselines_have_losses_and_no_changes(recipe: RecipeOutcome, kind: str) -> None:
    baseline = replace(recipe, kind=kind, starts_trained=True)
    assert final_loss(baseline, "a") == 4.3
    changes = [
        forgetting(baseline, "a"),
        forgetting_from_best(baseline, "a"),
        adaptation(baseline, "c"),
        backward_transfer(baseline),
        forward_transfer(baseline),
    ]
    assert np.isnan(changes).all()


def test_an_annealed_branch_is_a_recipe(recipe: RecipeOutcome) -> None:
    branch = replace(recipe, kind="anneal")
    assert forgetting(branch, "a") == pytest.approx(0.3)
    assert adaptation(branch, "c") == pytest.approx(3.4)


def test_a_fall_from_random_weights_is_no_adaptation(recipe: RecipeOutcome) -> None:
    first = replace(recipe, stages=(A,))
    assert math.isnan(adaptation(first, "a"))
    assert adaptation(replace(first, starts_trained=True), "a") == pytest.approx(5.0)


def test_trained_weights_forget_from_their_first_loss(recipe: RecipeOutcome) -> None:
    trained = replace(recipe, stages=(B, C), starts_trained=True)
    assert forgetting(trained, "a") == pytest.approx(4.3 - 9.0)


def test_a_recipe_that_never_began_has_no_measure() -> None:
    none = RecipeOutcome("r", "sweep", {}, (), pd.DataFrame(), 100)
    assert loss_matrix(none).empty
    assert math.isnan(backward_transfer(none))
    assert math.isnan(forward_transfer(none))
    assert math.isnan(tokens_to_reach(none, 5.0).recipe)
    assert rows_read(none) == {}


def test_rows_as_they_were_read(recipe: RecipeOutcome) -> None:
    rows = pd.DataFrame(
        {"step": range(12), "rows/a": [4] * 4 + [1] * 8, "rows/b": [0] * 4 + [3] * 8}
    )
    read = replace(recipe, history=rows)
    assert rows_read(read) == {"a": 24, "b": 24}
    assert replayed_rows(read, B) == (4, 16)


losses = st.lists(st.floats(0.5, 12.0), min_size=7, max_size=7)


@settings(deadline=None, max_examples=50)
@given(losses, losses, losses, st.integers(1, 20))
def test_what_holds_of_any_losses(
    a: list[float], b: list[float], c: list[float], final_steps: int
) -> None:
    recipe = made({"a": a, "b": b, "c": c}, final_steps=final_steps)
    assert corpora_of([recipe]) == ["a", "b", "c"]
    lost = [forgetting(recipe, corpus) for corpus in "ab"]
    assert backward_transfer(recipe) == pytest.approx(-sum(lost) / 2, abs=1e-9)
    for corpus in "ab":
        assert forgetting_from_best(recipe, corpus) >= forgetting(recipe, corpus) - 1e-9
        assert forgetting_from_best(recipe, corpus) >= -1e-9
    for stage in (B, C):
        for corpus in stage.new + A.new:
            found = spike(recipe, stage, corpus)
            assert found.height >= 0
            assert math.isnan(found.recovery_tokens) or 0 <= found.recovery_tokens <= 400
            assert (found.height == 0) == (found.recovery_tokens == 0)


@settings(deadline=None, max_examples=50)
@given(losses, st.floats(0.5, 12.0), st.floats(0.0, 3.0))
def test_a_higher_target_is_reached_no_later(a: list[float], target: float, more: float) -> None:
    recipe = made({"a": a})
    hard, easy = tokens_to_reach(recipe, target), tokens_to_reach(recipe, target + more)
    if not math.isnan(hard.recipe):
        assert easy.recipe <= hard.recipe
    if not math.isnan(hard.last_stage):
        assert easy.last_stage <= hard.last_stage
        assert hard.recipe <= hard.last_stage + 800
