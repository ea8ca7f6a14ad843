"""Each rule of the advice, on losses given by hand."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from raycl.advice.next_command import extended_grid, next_command
from raycl.advice.rules.edges import edges
from raycl.advice.words import listed
from raycl.recipe.definition import define
from raycl.recipe.search import Point
from raycl.results.outcome import RecipeOutcome
from tests.advice.settings import DATA, SOURCE, advised, chosen, german, said, seeds, shares
from tests.helpers.command_lines import parse
from tests.helpers.outcomes import union


def rates(*averages: float) -> list[RecipeOutcome]:
    """Rates of 1e-3, 3e-3, 9e-3 …: each adapts 0.5 more, and forgets as the averages say."""
    return [
        german(0.05, 2 * average - (5.5 - 0.5 * n), 5.5 - 0.5 * n, rate=round(1e-3 * 3**n, 6))
        for n, average in enumerate(averages)
    ]


def test_the_share_beyond_which_nothing_is_gained() -> None:
    told = said(advised(shares()), "replay")
    assert told.startswith("Replay beyond 25 % gains nothing. From 25 % on, more replay gains ")
    assert "50 % changes the average loss by −0.01 ± 0.02." in told
    assert "moves forgetting from +3.00 to +0.80 nats/token and costs 0.20 on new data" in told
    assert "takes 33.3 % more" in told
    assert said(advised(shares()[:3]), "replay").startswith("More replay may still help. 25 % is")


def test_the_rate_at_which_forgetting_outweighs_adaptation() -> None:
    told = said(advised(rates(5.2, 5.0, 5.3)), "rate")
    assert told.startswith("Above 3e-3 forgetting outweighs adaptation.")
    assert "1e-3 to 3e-3 adapts 0.50 more and forgets 0.10 more" in told
    assert said(advised(rates(5.2, 5.1, 5.0)), "rate").startswith("Up to 9e-3 forgetting does not ")
    # Three steps up of which none is beyond noise, and all together are.
    assert "Above 1e-3" in said(advised(rates(5.0, 5.02, 5.04, 5.06)), "rate")
    assert "a lower one may be better still" in said(advised(rates(5.0, 5.2, 5.4)), "rate")


def test_the_shift_is_told_in_bits_per_byte() -> None:
    # 7 / ln 2 / 5 − 4 / ln 2 / 4 = 0.58 bits/byte before German
    assert said(advised(shares()), "shift").startswith("A strong shift. Before any of it was ")
    assert "german was 0.58 bits/byte harder than english" in said(advised(shares()), "shift")
    easy = shares(bytes_per_token={"english": 4.0, "german": 7.0})
    assert said(advised(easy), "shift").startswith("A weak shift.")
    between = shares(bytes_per_token={"english": 4.0, "german": 5.6})
    assert said(advised(between), "shift").startswith("Neither")
    assert not said(advised(shares(bytes_per_token={})), "shift")


def test_a_best_value_at_the_edge_is_told_with_the_next_one() -> None:
    advice = advised(rates(5.4, 5.2, 5.0))
    assert advice.headline.endswith(
        "The best maximum learning rate is 9e-3, the highest tried: try 2.7e-2."
    )
    assert "A better one may lie beyond: try 2.7e-2." in said(advice, "warning")
    assert "edge" not in said(advised(rates(5.2, 5.0, 5.3)), "warning")
    assert "may gain little" in said(advised(rates(5.4, 5.005, 5.0)), "warning")
    lowest = advised([german(0.05, 4.6, 5.0), german(0.25, 4.8, 5.2)])
    assert "try 0 %" in said(lowest, "warning")


def test_the_next_command_is_a_sweep_that_the_recipe_takes(tmp_path: Path) -> None:
    words = shlex.split(advised(rates(5.4, 5.2, 5.0)).command)
    parse(shlex.join(words))
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(DATA))
    labels = [v.label for v in define(file, [words[words.index("--set") + 1]]).variants]
    assert labels[:4] == ["replay 0%", "replay 5%", "replay 25%", "replay 50%"]
    assert labels[4].startswith("max_lr 0.027")


def test_a_further_value_is_of_the_swept_field_and_written_as_the_others() -> None:
    def swept(share: float, english: float) -> RecipeOutcome:
        fields = {"later.replay": f"{100 * share:g}%", "english.schedule.max_lr": 0.003}
        return german(share, english, 5.0, fields=fields)

    found = next(iter(edges(chosen([swept(0.1, 5.0), swept(0.2, 4.0)]))))
    written = {"later.replay": "20%", "english.schedule.max_lr": "3e-3"}
    points = [Point("replay 10%", {}), Point("replay 20%", written)]
    assert extended_grid(found, points) == {
        "later.replay": ["40%"],
        "english.schedule.max_lr": ["3e-3"],
    }
    (batch,) = edges(chosen([numbered("global_batch", 4, 5.0), numbered("global_batch", 8, 4.0)]))
    assert extended_grid(batch, []) == {"global_batch": [16]}
    assert not edges(chosen([numbered("seed", 1, 5.0), numbered("seed", 2, 4.0)]))


def test_a_further_value_keeps_what_only_another_grid_sweeps_as_the_recipe_has_it() -> None:
    """As in the quickstart, which sweeps a field of the schedule and, elsewhere, the whole."""
    swept = [
        {"german.replay": ["5%", "25%"]},
        {"german.schedule.max_lr": ["1e-3", "9e-3"]},
        {"german.schedule": [{"kind": "constant", "max_lr": "3e-4"}]},
    ]
    data = {**DATA, "sweep": swept}
    fields = {"german.schedule": "cosine max_lr 0.003", "german.schedule.max_lr": 0.003}
    outcomes = [
        german(share, loss, 5.0, fields={**fields, "german.replay": f"{100 * share:g}%"})
        for share, loss in ((0.05, 5.0), (0.25, 4.0))
    ]
    words = shlex.split(next_command(chosen(outcomes), outcomes, replace(SOURCE, data=data)))
    assert words[:3] == ["raycl", "sweep", SOURCE.file]
    assert words[words.index("--set") + 1].endswith("{german.replay: [50%]}]")


def numbered(field: str, value: int, english: float) -> RecipeOutcome:
    return replace(german(0.1, english, 5.0, fields={field: value}), label=f"{field} {value}")


def test_the_next_command_sweeps_replay_repeats_or_exports() -> None:
    one = advised([german(0.05, 5.0, 5.0)]).command
    assert "{german.replay: [0%, 1%, 5%, 25%]}" in one
    assert "[0%, 1%, 5%, 10%, 25%]" in advised([german(0.1, 5.0, 5.0)]).command
    parse(one)
    clear = [german(0.0, 7.0, 5.0), german(0.25, 4.5, 5.2), german(0.5, 4.4, 5.6)]
    assert advised(clear).command.startswith("raycl export 'replay 25%' models/replay-25-")
    parse(advised(clear).command)
    assert "--set seeds=3" in advised(shares()).command
    undecided = [*seeds(0.05, 5.0, [5.0, 5.2]), *seeds(0.25, 5.0, [4.99, 5.16])]
    assert "more seeds would do" in said(advised(undecided), "warning")
    assert "--set seeds=" in advised(undecided).command
    parse(advised(shares()).command)


def test_few_and_unequal_rows_and_a_missing_union_are_told() -> None:
    few = [replace(o, validation_rows={"english": 12, "german": 64}) for o in shares()[:2]]
    told = said(advised([*few, *shares()[2:]]), "warning")
    assert "on so few validation rows: 12 of english." in told
    assert "different numbers of rows (english: 12, 64)." in told
    own = [replace(o, seed=n, validation_rows={"german": 64 - n}) for n, o in enumerate(few)]
    assert "different numbers" not in said(advised(own), "warning")
    assert "`baselines: [union]` in the recipe trains that." in told
    assert "No union" not in said(advised([*shares(), union()]), "warning")
    assert "That is 0.30 above the union baseline." in (
        said(advised([*shares(), union()]), "recommendation")
    )


def test_names_with_commas_are_kept_apart() -> None:
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["lr 1, replay 5%", "lr 2", "lr 3"], 2) == "lr 1, replay 5%; lr 2 and 1 more"


def test_what_was_not_tried_is_told() -> None:
    told = said(advised(shares()[1:]), "not tried")
    assert "No recipe goes without replay" in told
    assert "Only one maximum learning rate was tried (3e-3)." in told
    assert "Only one replay share was tried (5 %)." in said(advised(rates(5.0, 5.2)), "not tried")


def test_the_law_of_the_share_finds_a_share_between() -> None:
    tried = np.array([0.0, 0.02, 0.05, 0.1, 0.25, 0.5])
    english = 4.0 + 0.3 / np.sqrt(tried + 0.02)
    new = 5.0 + 1.0 * tried**1.5
    outcomes = [german(float(s), *pair) for s, *pair in zip(tried, english, new, strict=True)]
    told = said(advised(outcomes), "law")
    assert "has the lowest average at 30 %: 4.85" in told
    assert "Each inner share held out, it was off by" in told
    assert "needs 5 shares, and there are 4." in said(advised(shares()), "law")
