"""The paper's average: what was learned before and what is new, by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.advice.advise import advise
from raycl.results.metrics import Sides, own_sides, sides_of
from raycl.results.outcome import BranchFact, RecipeOutcome, StageFact
from raycl.results.report.cells import PaperTable
from raycl.results.report.notes import notes
from raycl.results.report.table import paper_table
from raycl.results.table import results_table
from raycl.units import parse_length

SLIMPAJAMA = {
    "commoncrawl": 52.09,
    "c4": 26.69,
    "github": 5.22,
    "arxiv": 4.43,
    "book": 4.20,
    "wikipedia": 4.00,
    "stackexchange": 3.37,
}
"""Percent of each domain (paper §3)."""


def stage(
    first: int, last: int, new: Mapping[str, float], replayed: tuple[str, ...] = ()
) -> StageFact:
    """Steps [first, last) of 100 tokens each, on a mixture of new data."""
    total = sum(new.values())
    return StageFact(
        f"stage {first}",
        first,
        last,
        (last - first) * 100,
        tuple(new),
        0.05 if replayed else 0.0,
        1e-3,
        shares=tuple(share / total for share in new.values()),
        replayed=replayed,
    )


def recipe(
    label: str, losses: Mapping[str, float], *stages: StageFact, kind: str = "sweep"
) -> RecipeOutcome:
    """A recipe with these losses at its end, and 9 before training."""
    lines = [{"step": -1, **{f"validation/{corpus}": 9.0 for corpus in losses}}]
    lines += [{"step": stages[-1].last_step - 1, **{f"validation/{c}": losses[c] for c in losses}}]
    return RecipeOutcome(label, kind, {}, stages, pd.DataFrame(lines), 100)


OLD, NEW = stage(0, 10, {"english": 1}), stage(10, 20, {"german": 1})


def shown(table: PaperTable, title: str) -> list[str]:
    place = table.columns.index(title)
    return [line.cells[place].text for line in table.lines]


def test_held_out_corpora_do_not_choose_the_recipe() -> None:
    held_out = {"french": 3.0, "dutch": 3.0, "code": 3.0}
    constant = recipe(
        "constant", {"english": 3.22, "german": 1.21, **dict.fromkeys(held_out, 3.0)}, OLD, NEW
    )
    replayed = recipe(
        "replay 5%", {"english": 2.57, "german": 1.13, **dict.fromkeys(held_out, 3.5)}, OLD, NEW
    )
    union = recipe(
        "union",
        {"english": 2.26, "german": 1.25, **dict.fromkeys(held_out, 3.4)},
        stage(0, 20, {"english": 1, "german": 1}),
        kind="union",
    )
    table = results_table([constant, replayed, union])
    # Over all five corpora alike, constant would have 2.69 and replay 2.84.
    assert table["average"].tolist() == pytest.approx([2.215, 1.85, 1.755])
    assert table["gap_to_union"].tolist() == pytest.approx([0.46, 0.095, 0])
    assert table[[f"weight/{corpus}" for corpus in held_out]].eq(0).all(axis=None)
    paper = paper_table(table)
    place = paper.columns.index("AVG")
    assert [line.recipe for line in paper.lines if line.cells[place].best] == ["replay 5%"]
    assert paper.columns[:6] == (
        "english",
        "german",
        "AVG",
        "code (held out only)",
        "dutch (held out only)",
        "french (held out only)",
    )
    assert notes([constant, replayed]) == [
        "In no average, because no stage trains on it: code, dutch, french."
    ]


def test_to_list_a_corpus_changes_no_finished_number() -> None:
    losses = {"english": 2.4, "german": 1.2}
    union = stage(0, 20, {"english": 1, "german": 1})

    def sweep(**listed: float) -> list[RecipeOutcome]:
        whole = losses | listed
        return [recipe("r", whole, OLD, NEW), recipe("u", whole, union, kind="union")]

    before, after = results_table(sweep()), results_table(sweep(other=7.0))
    unchanged = [name for name in before.columns if not name.endswith("/other")]
    pd.testing.assert_frame_equal(after[unchanged], before)


def test_what_pretrained_weights_forget_of_a_listed_corpus_stands_apart() -> None:
    last = stage(0, 10, {"german": 1}, ("english",))
    made = recipe("r", {"english": 2.4, "german": 1.2, "other": 7.0}, last)
    table = results_table([replace(made, starts_trained=True)])
    paper = paper_table(table)
    assert shown(paper, "forgetting english") == ["−6.60"]
    assert shown(paper, "forgetting other") == ["−2.00"]
    assert table["backward_transfer"][0] == pytest.approx(9.0 - 2.4)


@pytest.mark.parametrize(
    ("share", "pile", "slimpajama", "average"), [(0, 2.44, 2.50, 2.47), (50, 2.16, 2.54, 2.35)]
)
def test_eight_corpora_give_the_papers_averages(
    share: int, pile: float, slimpajama: float, average: float
) -> None:
    """E5 at full size (paper Table 2): over eight corpora alike, 0 % and 50 % would tie at 2.49."""
    losses = {"pile": pile, **dict.fromkeys(SLIMPAJAMA, slimpajama)}
    assert sum(losses.values()) / 8 == pytest.approx(2.4925)
    replayed = ("pile",) if share else ()
    made = recipe("r", losses, stage(0, 10, {"pile": 1}), stage(10, 20, SLIMPAJAMA, replayed))
    table = results_table([made])
    assert table["average"][0] == pytest.approx(average)
    assert table["weight/c4"][0] == pytest.approx(0.2669 / 2)
    (note,) = notes([made])
    assert note.startswith("AVG: the mean of what was learned before (pile) and what is new (comm")


def test_each_side_is_weighted_by_its_own_mixture() -> None:
    losses = {"wiki": 1.0, "web": 2.0, "code": 4.0, "math": 8.0}
    first, last = stage(0, 10, {"wiki": 1, "web": 3}), stage(10, 20, {"code": 9, "math": 1})
    made = recipe("r", losses, first, last)
    assert own_sides(made) == Sides({"wiki": 0.25, "web": 0.75}, {"code": 0.9, "math": 0.1})
    table = results_table([made])
    assert table["average"][0] == pytest.approx((1.75 + 4.4) / 2)


def test_several_earlier_stages_weigh_by_the_tokens_that_they_learned() -> None:
    stages = (
        stage(0, 30, {"pile": 1}),
        stage(30, 40, {"web": 1, "code": 1}, ("pile",)),
        stage(40, 50, {"german": 1}, ("pile", "web", "code")),
    )
    made = recipe("r", {"pile": 2.0, "web": 3.0, "code": 4.0, "german": 1.0}, *stages)
    assert own_sides(made) == Sides({"pile": 0.75, "web": 0.125, "code": 0.125}, {"german": 1})
    assert results_table([made])["average"][0] == pytest.approx((2.375 + 1.0) / 2)
    bare = recipe(
        "bare", {}, stages[0], replace(stages[1], replayed=()), replace(stages[2], replayed=())
    )
    assert own_sides(bare) == own_sides(made)


def test_what_was_learned_before_is_not_new() -> None:
    """Old data in the last stage's mixture is replay by another name."""
    by_mixture = recipe("r", {}, OLD, stage(10, 20, {"english": 1, "german": 3}))
    by_replay = recipe("s", {}, OLD, stage(10, 20, {"german": 1}, ("english",)))
    assert own_sides(by_mixture) == own_sides(by_replay) == Sides({"english": 1}, {"german": 1})
    again = recipe("t", {}, OLD, stage(10, 20, {"english": 1}))
    assert own_sides(again) == Sides({"english": 1}, {"english": 1})
    assert own_sides(again).weights == {"english": 1}


def test_one_stage_has_one_side() -> None:
    made = recipe("r", {"wiki": 1.0, "web": 2.0}, stage(0, 10, {"wiki": 1, "web": 3}))
    assert results_table([made])["average"][0] == pytest.approx(1.75)
    assert notes([made]) == ["AVG: the mean of wiki 25 %, web 75 %."]
    never = replace(made, stages=(), history=pd.DataFrame())
    assert math.isnan(results_table([never])["average"][0])


def test_what_a_pretrained_start_knew_is_what_is_replayed_of_it() -> None:
    losses = {"english": 3.0, "german": 1.0, "other": 5.0}
    replayed = recipe("replay", losses, stage(0, 10, {"german": 1}, ("english",)))
    bare = recipe("bare", losses | {"english": 4.0}, stage(0, 10, {"german": 1}))
    sweep = [replace(outcome, starts_trained=True) for outcome in (bare, replayed)]
    # Without replay a recipe does not say what its start knew; another one of the sweep does.
    assert sides_of(sweep) == [Sides({"english": 1}, {"german": 1})] * 2
    assert results_table(sweep)["average"].tolist() == [2.5, 2.0]
    both = recipe("both", losses, NEW, stage(20, 30, {"other": 1}, ("english", "german")))
    assert own_sides(both) == Sides({"german": 0.5, "english": 0.5}, {"other": 1})


def test_recipes_with_other_sides_each_have_their_own_union() -> None:
    losses = {"english": 2.0, "wiki": 1.0, "web": 3.0}
    sweep = [
        recipe("a", losses, OLD, stage(10, 20, {"wiki": 1, "web": 1})),
        recipe("b", losses, OLD, stage(10, 20, {"wiki": 1, "web": 3})),
    ]
    union = recipe(
        "union",
        {"english": 1.9, "wiki": 1.2, "web": 2.4},
        stage(0, 20, {"english": 2, "wiki": 1, "web": 1}),
        kind="union",
    )
    table = results_table([*sweep, union])
    assert table["average"].tolist()[:2] == pytest.approx([2.0, 2.25])
    # The union is (1.9 + 1.8) / 2 on the sides of a, and (1.9 + 2.1) / 2 on those of b.
    assert table["gap_to_union"].tolist()[:2] == pytest.approx([0.15, 0.25])
    assert math.isnan(table["average"][2])
    assert advise([*sweep, union], table).objective == "lowest gap to the union"
    assert not any(
        line.cells[paper_table(table).columns.index("AVG")].best
        for line in paper_table(table).lines
    )
    assert "do not compare with each other" in notes([*sweep, union])[0]


def test_a_branch_is_averaged_as_its_trunk() -> None:
    losses = {"english": 2.0, "german": 4.0}
    trunk = recipe("trunk", losses, OLD, NEW)
    early = replace(
        recipe("early", losses, replace(OLD, last_step=12), kind="anneal"),
        branch=BranchFact("trunk", "stage 0", parse_length("100%"), 2),
    )
    table = results_table([trunk, early])
    assert table["average"].tolist() == [3.0, 3.0]
    assert table["anneal_tokens"].tolist()[1] == 200
    assert shown(paper_table(table), "anneal's tokens") == ["–", "+200"]
    alone = replace(early, branch=replace(early.branch, trunk="gone"))  # type: ignore[type-var]
    assert sides_of([alone]) == [Sides(new={"english": 1})]


def test_mean_changes_are_weighted_as_the_average() -> None:
    first, last = stage(0, 10, {"wiki": 1, "web": 3}), stage(10, 20, {"code": 1})
    made = recipe("r", {"wiki": 3.0, "web": 5.0, "code": 1.0}, first, last)
    lines = made.history.copy()
    between = {"step": 9, "validation/wiki": 2.0, "validation/web": 3.0, "validation/code": 4.0}
    history = pd.concat([lines, pd.DataFrame([between])]).sort_values("step", ignore_index=True)
    paper = paper_table(results_table([replace(made, history=history)]))
    assert shown(paper, "mean forgetting") == ["+1.75"]
    assert shown(paper, "adaptation code") == ["+3.00"]


def test_a_table_of_format_1_is_shown() -> None:
    table = results_table([recipe("r", {"english": 2.0, "german": 4.0}, OLD, NEW)])
    older = table[[name for name in table.columns if not name.startswith("weight/")]]
    older = older.drop(columns="average_bits_per_byte", errors="ignore")
    assert paper_table(older).columns[:3] == ("english", "german", "AVG")
    assert shown(paper_table(older), "AVG") == ["3.00"]


def test_what_a_part_is_trained_of_is_told_where_the_label_does_not() -> None:
    losses = {"wiki": 1.0}
    part = replace(stage(0, 10, {"wiki": 1}), trains="lora rank 8")
    told, swept = recipe("r", losses, part), recipe("trains lora rank 8", losses, part)
    whole = recipe("whole", losses, stage(0, 10, {"wiki": 1}))
    name = part.name
    assert f"{name} trains lora rank 8: r." in notes([told, swept, whole])
    assert not any("trains" in note for note in notes([swept, whole]))


def test_more_tokens_than_the_union_are_told() -> None:
    losses = {"english": 2.0, "german": 1.0}
    both = {"english": 1.0, "german": 1.0}
    union = recipe("union", losses, stage(0, 20, both), kind="union")
    as_long, longer = recipe("a", losses, OLD, NEW), recipe("b", losses, OLD, stage(10, 25, both))
    assert notes([as_long, union]) == []
    told = "More tokens than the union that they are compared with, by up to 25 %: b."
    assert told in notes([as_long, longer, union])


weights = st.dictionaries(st.sampled_from("abcde"), st.floats(0.01, 1), min_size=1)


@given(weights, weights, weights, st.integers(1, 50), st.integers(1, 50))
def test_weights_sum_to_one_and_no_side_weighs_more(
    first: dict[str, float], second: dict[str, float], last: dict[str, float], one: int, two: int
) -> None:
    stages = (stage(0, one, first), stage(one, one + two, second), stage(one + two, 200, last))
    sides = own_sides(recipe("r", dict.fromkeys("abcde", 2.5), *stages))
    for side in (sides.old, sides.new, sides.weights):
        assert sum(side.values()) == pytest.approx(1)
        assert min(side.values()) >= 0
    assert set(sides.weights) == {*first, *second, *last}
