"""Claims, tables and the document on made-up evidence in which we know the answers."""

from __future__ import annotations

import functools
import math
import re
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raycl.recipe.load import read_yaml
from raycl.recipe.variants import expand
from raycl.reproduction import document
from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import (
    FAILS,
    HOLDS,
    NOT_RUN,
    UNDECIDED,
)
from raycl.reproduction.claims.ledger import CLAIMS, judge
from raycl.reproduction.document import write_document
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import (
    CONSTANT,
    COSINE,
    DOMAIN_ARMS,
    DOMAINS,
    EXPERIMENTS,
    INFINITE,
    SINGLE,
    STAGES,
)
from raycl.reproduction.evidence.measures import hand_off_bump, lost_old, peak_rise
from raycl.reproduction.evidence.picks import annealed, cosine_of, in_arm, replay, warmup
from raycl.reproduction.evidence.shifts import WEAK
from raycl.reproduction.figures.bands import band_of, loss_band
from raycl.reproduction.tables.all_tables import all_tables
from raycl.reproduction.tables.max_learning_rate import max_lr_table
from raycl.reproduction.tables.paper_numbers import BASELINES, REPLAY, SCALE
from raycl.reproduction.tables.replay import replay_table
from raycl.reproduction.tables.starting_points import starting_points_table
from raycl.reproduction.tables.table import markdown
from raycl.results.gather import branch_fact
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.canvas import png
from tests.helpers.paths import PAPER
from tests.helpers.reproduction_data import made_evidence
from tests.helpers.reproduction_worlds import FAR_APART, HOLDING, REVERSED, World


@functools.cache
def evidence_of(name: str) -> Evidence:
    worlds = {"holding": HOLDING, "reversed": REVERSED, "far apart": FAR_APART}
    return made_evidence(worlds[name])


def verdict(claim: Claim, name: str) -> str:
    return claim.judge(evidence_of(name)).verdict


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_holds_fails_and_stays_undecided(claim: Claim) -> None:
    assert verdict(claim, "holding") == HOLDS
    assert FAILS in {verdict(claim, "reversed"), verdict(claim, "far apart")}
    two = Evidence(
        {n: {s: runs[s] for s in (1, 2) if s in runs} for n, runs in _runs("holding").items()}
    )
    few = claim.judge(two)
    assert few.verdict == UNDECIDED
    assert "2 seeds; 3 are needed" in few.how
    assert "(2 seeds)" in few.numbers
    assert claim.judge(Evidence({})) == NOT_RUN


def _runs(name: str) -> dict[str, dict[int, list[RecipeOutcome]]]:
    return {n: {s: list(o) for s, o in r.items()} for n, r in evidence_of(name).runs.items()}


@pytest.mark.parametrize(
    ("name", "world"),
    [
        ("warm-up-length-weak", "far apart"),
        ("replay-5-reduces-weak", "reversed"),
        ("replay-costs-little-strong", "far apart"),
        ("half-replay-reaches-union-weak", "far apart"),
        ("infinite-matches-single", "far apart"),
        ("hand-off-flat", "far apart"),
        ("domain-incremental-poor", "reversed"),
    ],
)
def test_a_claim_fails_where_its_own_experiment_says_so(name: str, world: str) -> None:
    claim = next(claim for claim in CLAIMS if claim.name == name)
    assert verdict(claim, world) == FAILS


def test_names_are_unique_and_the_brief_is_covered() -> None:
    names = [claim.name for claim in CLAIMS]
    assert len(set(names)) == len(names)
    assert {f"replay-{share}-reduces-weak" for share in (1, 5, 50)} <= set(names)
    assert {f"replay-{share}-reduces-strong" for share in (1, 5, 25, 50)} <= set(names)


def test_the_parts_of_an_experiment() -> None:
    corpora = evidence_of("holding").corpora("e11-domain-incremental")
    assert corpora.first == ("wiki",)
    assert corpora.last == ("news",)
    assert corpora.before_last == ("wiki", "books", "code")
    assert evidence_of("holding").corpora("e5-replay-weak").last == ("kernel-docs",)


def test_recipes_are_found_by_what_they_did() -> None:
    evidence = evidence_of("holding")
    tenth = evidence.picked("e3-warmup-weak", warmup(0.005))
    assert {o.label for o in tenth.values()} == {"warmup 0.5%"}
    highest = evidence.picked("e4-max-lr-strong", cosine_of(-1))
    assert {o.label for o in highest.values()} == {"highest"}
    trunk = evidence.picked("e10-infinite-stages", in_arm("infinite cosine"))
    assert {(o.label, o.kind) for o in trunk.values()} == {("infinite cosine", "sweep")}
    branch = evidence.picked("e10-infinite-stages", annealed("infinite cosine"))
    assert {o.label for o in branch.values()} == {"infinite cosine, anneal sp-3 at 100%"}


def test_what_a_recipe_is_called_does_not_tell_what_it_is() -> None:
    runs = _runs("holding")
    runs["e10-infinite-stages"] = {
        seed: [_renamed(outcome, f"recipe {number}") for number, outcome in enumerate(outcomes)]
        for seed, outcomes in runs["e10-infinite-stages"].items()
    }
    for pick in (in_arm("cosine"), in_arm("infinite cosine")):
        assert len(Evidence(runs).picked("e10-infinite-stages", pick)) == 4
    trunk = in_arm("infinite cosine")(runs["e10-infinite-stages"][1])
    assert trunk is not None
    whole = evidence_of("holding").picked("e10-infinite-stages", annealed("infinite cosine"))
    found = Evidence(runs).picked("e10-infinite-stages", annealed("infinite cosine"))
    assert {o.branch for o in found.values()} == {o.branch for o in whole.values()}


def _renamed(outcome: RecipeOutcome, label: str) -> RecipeOutcome:
    return replace(outcome, label=label)


@pytest.mark.parametrize(
    ("experiment", "arms"),
    [
        (SINGLE, {COSINE, *INFINITE, CONSTANT}),
        (STAGES, {COSINE, *INFINITE}),
        (DOMAINS, {arm for arm, _ in DOMAIN_ARMS}),
    ],
)
def test_the_papers_recipes_have_the_arms_and_trunks_that_are_looked_for(
    experiment: str, arms: set[str]
) -> None:
    recipes = expand(read_yaml(PAPER / f"{experiment}.yaml"), experiment)
    swept = [variant for variant in recipes if variant.kind == "sweep"]
    assert {variant.arm for variant in swept} == arms
    branches = [variant for variant in recipes if variant.kind == "anneal"]
    assert (experiment == SINGLE) == (not branches)
    by_label = {variant.label: variant for variant in swept}
    for branch in branches:
        assert by_label[branch.trunk].arm == branch.arm
        fact = branch_fact(branch)
        assert fact is not None
        assert fact.trunk == branch.trunk
        assert fact.leaves_at_end


def test_measures_by_hand() -> None:
    evidence = evidence_of("holding")
    lost = evidence.paired("e6-replay-strong", lost_old, replay(0.0))
    assert sorted(lost) == [1, 2, 3, 4]
    assert statistics.fmean(lost.values()) == pytest.approx(3.56 - 2.17, abs=0.01)
    rise = evidence.paired("e8-same-data", peak_rise, cosine_of(-1))
    assert statistics.fmean(rise.values()) == pytest.approx(0.2, abs=0.01)
    bump = evidence.paired("e10-infinite-stages", hand_off_bump, in_arm("infinite cosine"))
    assert max(bump.values()) < 0


def test_a_table_has_the_papers_rows_and_numbers() -> None:
    table = replay_table(evidence_of("holding"), WEAK)
    assert table.columns == (
        "run",
        "D0 paper",
        "D0 ours",
        "D1 paper",
        "D1 ours",
        "AVG paper",
        "AVG ours",
        "forgetting paper",
        "forgetting ours",
    )
    assert [line[0] for line in table.lines] == [
        "replay 0 %",
        "replay 0.5 %",
        "replay 1 %",
        "replay 5 %",
        "replay 10 %",
        "replay 50 %",
        "union",
        "D0 only",
        "D1 only, from scratch",
    ]
    first = table.lines[0]
    assert first[1::2] == ("2.44", "2.50", "2.47", "+0.27")
    values = evidence_of("holding").paired("e5-replay-weak", lost_old, replay(0.0))
    mean, deviation = statistics.fmean(values.values()), statistics.stdev(values.values())
    assert first[8] == f"{mean:+.3f} ± {deviation:.3f}"
    assert table.lines[6][7:] == ("–", "–")


def test_the_papers_averages_agree_with_its_losses() -> None:
    rows = [*REPLAY["weak"].values(), *REPLAY["strong"].values(), *SCALE.values()]
    rows += [row for shift in BASELINES.values() for row in shift.values()]
    for row in rows:
        # All three are rounded to 0.01, so the mean may be off by one unit of that.
        assert math.isnan(row.average) or abs((row.old + row.new) / 2 - row.average) < 0.0101


def test_baselines_come_from_their_own_experiments_where_the_sweep_lacks_them() -> None:
    runs = _runs("holding")
    runs["e5-replay-weak"] = {
        seed: [o for o in outcomes if o.kind == "sweep"]
        for seed, outcomes in runs["e5-replay-weak"].items()
    }
    alone, whole = (
        replay_table(Evidence(r), WEAK).lines for r in (runs, evidence_of("holding").runs)
    )
    assert [line[2] != "–" for line in alone] == [True] * 9
    assert alone[:7] == whole[:7]


def test_missing_runs_leave_dashes_and_unfinished_ones_no_number() -> None:
    for table in all_tables(Evidence({})):
        for line in table.lines:
            ours = [c for title, c in zip(table.columns, line, strict=True) if "paper" not in title]
            assert set(ours[1:]) == {"–"}
    runs = _runs("holding")
    runs["e4-max-lr-weak"] = {1: [_cut(outcome) for outcome in runs["e4-max-lr-weak"][1]]}
    table = max_lr_table(Evidence(runs), WEAK)
    assert {line[2] for line in table.lines[:-1]} == {"–"}


def _cut(outcome: RecipeOutcome) -> RecipeOutcome:
    return replace(outcome, history=outcome.history.iloc[:-20], status="unfinished")


def test_one_seed_has_no_spread() -> None:
    table = replay_table(made_evidence(World(), seeds=(1,)), WEAK)
    assert all("±" not in cell for line in table.lines for cell in line)
    assert "| union |" in markdown(table)


def test_judging_keeps_the_order_of_the_ledger() -> None:
    assert [claim for claim, _ in judge(Evidence({}))] == list(CLAIMS)


FACTS = {"Machine": "2 cores | 8 GiB", "Seeds": "1, 2, 3"}


def _written(folder: Path, evidence: Evidence) -> tuple[str, dict[str, bytes]]:
    out, figures = folder / "docs" / "reproduction.md", folder / "docs/images/reproduction"
    write_document(evidence, out, figures, FACTS)
    return out.read_text(), {path.name: path.read_bytes() for path in sorted(figures.glob("*"))}


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path) -> None:
    kept = ("e6-replay-strong", "e10-infinite-stages")
    some = Evidence({name: evidence_of("holding").runs[name] for name in kept})
    text, pictures = _written(tmp_path / "one", some)
    assert len(pictures) == 4
    assert (text, pictures) == _written(tmp_path / "two", some)


@pytest.mark.slow
def test_the_document_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pictures are checked by name only, so that they may be coarse.
    monkeypatch.setattr(document, "png", functools.partial(png, dots_per_inch=30))
    evidence = made_evidence(seeds=(1, 2, 3))
    text, pictures = _written(tmp_path, evidence)
    linked = re.findall(r"!\[[^]]+\]\(images/reproduction/([^)]+)\)", text)
    assert sorted(linked) == sorted(pictures)
    assert {"schedules.png", "replay-weak.png", "trade-strong.png", "infinite-stages.png"} <= set(
        pictures
    )
    assert all(data.startswith(b"\x89PNG") for data in pictures.values())
    assert f"Of {len(CLAIMS)} claims" in text
    for claim in CLAIMS:
        assert f"| {claim.sentence} |" in text
    for table in all_tables(evidence):
        assert f"### {table.title}" in text
    assert "2 cores \\| 8 GiB" in text
    assert "raycl reproduce --storage runs/paper --scale tiny" in text
    assert "| `e5-replay-weak` | replay, weak shift | 1, 2, 3 | 27 of 27 |" in text


def test_the_made_up_experiments_are_all_that_the_document_knows() -> None:
    assert set(evidence_of("holding").runs) == set(EXPERIMENTS)


def test_the_table_of_starting_points_names_what_was_seen() -> None:
    table = starting_points_table(evidence_of("holding"))
    steps = evidence_of("holding").outcomes("g1-gupta", 1)[0].stages[0].last_step
    assert [line[0] for line in table.lines] == [
        f"{steps} steps of D0, warmup 1%",
        f"{steps} steps of D0, constant min_lr",
    ]
    assert all("–" not in line for line in table.lines)


def test_a_document_of_nothing_says_that_nothing_was_run(tmp_path: Path) -> None:
    text, pictures = _written(tmp_path, Evidence({}))
    assert pictures == {}
    assert text.count("**undecided (not run)**") == len(CLAIMS)
    assert "## Figures" not in text
    assert "nan" not in text


def test_a_document_that_fails_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "reproduction.md"
    out.write_text("older")
    only = {"e9-infinite-single": evidence_of("holding").runs["e9-infinite-single"]}

    def broken(_: object) -> bytes:
        raise RuntimeError("no picture")

    monkeypatch.setattr(document, "png", broken)
    with pytest.raises(RuntimeError, match="no picture"):
        write_document(Evidence(only), out, tmp_path / "images", {})
    assert out.read_text() == "older"
    assert list(tmp_path.iterdir()) == [out]


def test_a_band_is_the_mean_and_range_where_all_seeds_were_measured() -> None:
    one = pd.Series([1.0, 2.0, 3.0], index=[0, 5, 10])
    two = pd.Series([3.0, 6.0, 9.0], index=[5, 10, 15])
    band = band_of([one, two], 100)
    assert band is not None
    assert band.tokens.tolist() == [500, 1000]
    assert band.mean.tolist() == [2.5, 4.5]
    assert band.low.tolist() == [2.0, 3.0]
    assert band.high.tolist() == [3.0, 6.0]
    assert band_of([], 1) is None
    assert band_of([one.head(1)], 1) is None


def test_an_unfinished_seed_is_not_drawn() -> None:
    found = evidence_of("holding").picked("e5-replay-weak", replay(0.05))
    whole = loss_band(found, ("english",))
    part = loss_band({**found, 1: _cut(found[1])}, ("english",))
    without = loss_band({seed: o for seed, o in found.items() if seed != 1}, ("english",))
    assert whole is not None
    assert part is not None
    assert without is not None
    assert np.array_equal(part.mean, without.mean)
    assert not np.array_equal(part.mean, whole.mean)
    assert whole.tokens[0] == 0
