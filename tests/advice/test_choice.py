"""The least replay within noise of the best is used, with one seed and with several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe.schema.search import Objective
from raycl.results.outcome import STOPPED
from raycl.results.uncertainty.bootstrap import DocumentSums
from tests.advice.settings import advised, chosen, german, said, seeds, shares


def test_the_least_replay_within_noise_of_the_best_is_used() -> None:
    advice = advised(shares())
    assert advice.headline == (
        "Use replay 25% (average loss 5.00, one seed): the least replay within noise of the best, "
        "replay 50% (4.99)."
    )
    assert {line.setting: line.verdict for line in advice.compared} == {
        "replay 50%": "best",
        "replay 25%": "recommended",
        "replay 5%": "worse",
        "replay 0%": "worse",
    }
    told = said(advice, "recommendation")
    assert "forgetting of english +0.80 and adaptation to german +1.80" in told
    assert "differences below 0.02 are taken for noise. That is assumed" in told
    assert "Noise does not tell replay 25% from replay 50%." in said(advice, "warning")


def test_a_clear_best_is_used_as_it_is() -> None:
    advice = advised([german(0.0, 7.0, 5.0), german(0.25, 4.5, 5.2), german(0.5, 4.4, 5.6)])
    assert advice.headline == "Use replay 25% (average loss 4.85, one seed): it is the best " + (
        "beyond noise."
    )


def test_seeds_measure_the_noise() -> None:
    # The averages differ by 0.05, and by the same for every seed: one seed would show it too.
    steady = advised([*seeds(0.05, 5.0, [5.1, 5.2, 5.3]), *seeds(0.25, 5.0, [5.0, 5.1, 5.2])])
    assert steady.headline.startswith(
        "Use replay 25% (average loss 5.05 ± 0.12 at 95 %, 3 seeds): it is "
    )
    # The same means, but the order of the two depends on the seed.
    mixed = advised([*seeds(0.05, 5.0, [5.0, 5.5, 5.1]), *seeds(0.25, 5.0, [5.3, 5.0, 5.0])])
    assert mixed.headline.startswith("Use replay 5% (")
    assert "differences are paired by seed" in said(mixed, "recommendation")
    assert mixed.compared[-1].behind.n == 3


def test_seeds_do_not_hide_a_difference_that_each_of_them_shows() -> None:
    # Behind by 0.3 and 0.5: the interval of two seeds is −0.9 to +1.7, but nobody would call it
    # about as good.
    two = advised([*seeds(0.0, 5.0, [5.6, 6.0]), *seeds(0.25, 5.0, [5.0, 5.0])])
    assert two.headline.startswith("Use replay 25% (average loss 5.00 ± 0 at 95 %, 2 seeds)")
    assert "it has the best number, and within noise of it: replay 0%." in two.headline
    assert "its number is better than with 0 %" in said(two, "replay")
    assert "--set seeds=" in two.command


def test_a_setting_with_the_easy_seed_alone_is_not_the_best() -> None:
    whole = [*seeds(0.05, 5.0, [5.0, 5.6, 5.6]), *seeds(0.25, 5.0, [5.4, 6.0, 6.0])]
    easy = seeds(0.5, 5.0, [5.1])
    assert chosen([*whole, *easy]).ranked[0].name == "replay 5%"
    assert chosen([*whole, *easy]).chosen.name == "replay 5%"


def test_few_rows_widen_the_noise_where_no_documents_are_stored() -> None:
    def pair(rows: int) -> str:
        counts = {"english": rows, "german": rows}
        both: dict[str, Any] = {"validation_rows": counts, "sequence_length": 128}
        return advised([german(0.05, 5.0, 5.2, **both), german(0.25, 4.9, 5.2, **both)]).headline

    assert pair(12).startswith("Use replay 5%")  # ± 0.07: 1.96 · 0.16 / √12 / √2 beside 0.02
    assert pair(4096).startswith("Use replay 25%")


def test_scores_of_tasks_differ_by_chance() -> None:
    scores = [german(s, 5.0, 5.0, tasks={"x": 0.5 + s / 5}) for s in (0.0, 0.05, 0.5)]
    assert advised(scores, "task/x").headline.startswith("Use replay 50%")
    assert advised(scores[:2], "task/x").headline.startswith("Use replay 0% (task of x 0.50")
    falling = [german(s, 5.0, 5.0, tasks={"x, perplexity": 9 - s}) for s in (0.0, 0.5)]
    assert advised(falling, "task/x, perplexity").objective == "lowest task of x, perplexity"
    assert advised(falling, "task/x, perplexity").headline.startswith("Use replay 50%")


def test_held_out_documents_widen_the_noise() -> None:
    few = {"english": [1.0, 9.0], "german": [2.0, 8.0]}
    other = {"english": [3.0, 5.0], "german": [6.0, 5.0]}
    first = german(0.05, 5.0, 5.2, row_losses=_sums(few))
    second = german(0.25, 4.8, 5.2, row_losses=_sums(other))
    assert "Use replay 5%" in advised([first, second]).headline
    assert "Use replay 25%" in advised([german(0.05, 5.0, 5.2), second]).headline


def _sums(losses: dict[str, list[float]]) -> dict[str, DocumentSums]:
    return {c: DocumentSums.of([0, 1], nats, [1, 1]) for c, nats in losses.items()}


def test_an_objective_is_a_corpus_a_column_or_weights() -> None:
    assert advised(shares(), "german").headline.startswith("Use replay 0% (loss on german 5.00")
    assert "replay 50% (loss on english 4.58" in advised(shares(), "loss/english").headline
    weighted = advised(shares(), "english=1,german=3")
    assert weighted.objective == "lowest loss of 0.25 english + 0.75 german"
    assert weighted.headline.startswith("Use replay 25% (loss of 0.25 english + 0.75 german 5.10")
    assert "adaptation of german 2.00" in advised(shares(), "adaptation/german").headline
    for wrong in ("french", "english=x", "french=1", "english=0"):
        with pytest.raises(InputError, match="--objective"):
            advised(shares(), wrong)


def test_bounds_of_a_search_are_kept() -> None:
    objective = Objective(minimize=("german",), subject_to={"forgetting/english": 1.0})
    advice = advised(shares(objective=objective))
    assert advice.headline.startswith("Use replay 25% (loss on german 5.20")
    assert [line.verdict for line in advice.compared].count("breaks a bound") == 2
    assert advice.objective == "lowest loss on german, forgetting/english at most 1"
    asked = advised(shares(objective=objective), "adaptation/german")
    assert asked.headline.startswith("Use replay 25% (adaptation of german 1.80")
    nobody = Objective(minimize=("german",), subject_to={"forgetting/english": 0.1})
    broken = advised(shares(objective=nobody)).headline
    assert broken.startswith("No finished recipe keeps all bounds. Use replay 0%")
    several = advised(shares(objective=Objective(minimize=("german", "english"))))
    assert "replay 0%; replay 5%; replay 25%; replay 50%" in said(several, "recommendation")


def test_what_is_not_finished_is_told() -> None:
    half = replace(german(0.1, 5.0, 5.0), status="unfinished")
    assert advised([half]).headline == "0 of 1 recipes have finished."
    stopped = replace(half, status=STOPPED)
    assert "finished" not in advised([*shares(), stopped]).headline
    assert advised([*shares(), stopped, half]).headline.endswith(
        "4 of 6 recipes have finished, and 1 were stopped early."
    )
    advice = advised([*shares(), half])
    assert advice.headline.endswith("4 of 5 recipes have finished.")
    assert advice.command == ("raycl sweep runs/my/sweeps/small/recipe.yaml --storage runs/my")
