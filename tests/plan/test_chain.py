"""Names of states: equal exactly as long as the training is."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.anneal import Annealed
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.chain_hash import BLOCK as _BLOCK
from raycl.plan.chain_hash import CHUNK as _CHUNK
from raycl.plan.mixture import Mixture, Run, Source
from raycl.plan.schedule import Constant, Cosine
from raycl.units import parse_length
from tests.helpers.schedules import written

ROWS = 10**9
PRINTS = {name: f"{index:x}" * 16 for index, name in enumerate(("old", "new", "other"), 1)}
LENGTH = 16


def mixture(
    new: str = "new", replay: Any = 0, batch: int = 20, first: int = 0, rows: int = ROWS
) -> Mixture:
    sources = [Source(new, Fraction(1), first=first, limit=rows, at_end="repeat")]
    if replay:
        sources.append(Source("old", Fraction(1), True, limit=rows, at_end="repeat"))
    return Mixture(sources, batch, Fraction(replay))


def stage(steps: int, rate: float = 1e-3, **fields: Any) -> ChainStage:
    known = ("reset_optimizer", "workers", "name", "schedule")
    own = {key: fields.pop(key) for key in known if key in fields}
    schedule = own.pop("schedule", Constant(max_lr=rate))
    return ChainStage(own.pop("name", "s"), steps, schedule, mixture(**fields), **own)


def chain(*stages: ChainStage, **initial: Any) -> Chain:
    return Chain(initial, stages, PRINTS, LENGTH)


def names(of: Chain) -> list[str]:
    return [of.name(step) for step in range(of.steps + 1)]


def shared(one: Chain, two: Chain) -> int:
    """The definition of `divergence`: the steps before the first that differs, one by one."""
    if one.initial != two.initial:
        return 0
    for step, (a, b) in enumerate(zip(described(one), described(two), strict=False)):
        if a != b:
            return step
    return min(one.steps, two.steps)


def described(one: Chain) -> Iterator[tuple[Any, ...]]:
    """What each step of a chain does: its rate, its rows, and whether AdamW starts anew."""
    rates = one.learning_rates(0, one.steps).view(np.int64).tolist()
    for step, rate in enumerate(rates):
        index = one.stage_index(step)
        mix = one.stages[index].mixture
        runs = rows(mix.sources, mix.global_batch, mix.replay, step - one.starts[index])
        content = tuple((one.fingerprints[r.corpus], r.first, r.count) for r in runs)
        yield rate, content, one.resets_optimizer(step)


@cache
def rows(sources: tuple[Source, ...], batch: int, replay: Fraction, step: int) -> tuple[Run, ...]:
    """The rows of a step of a stage; chains of many examples have such steps in common."""
    return tuple(Mixture(sources, batch, replay).rows(step))


@st.composite
def stages(draw: st.DrawFn) -> ChainStage:
    steps = draw(st.sampled_from([1, 2, 3, 5, 8, 20, 255, 256, 257, 300]))
    schedule = draw(
        st.sampled_from(
            [
                written(Constant, max_lr=1e-3),
                Constant(max_lr=1e-3, warmup=parse_length("3 steps")),
                written(Cosine, max_lr=1e-3),
                Cosine(max_lr=2e-3, warmup=parse_length("0%")),
            ]
        )
    )
    return ChainStage(
        draw(st.sampled_from("ab")),
        steps,
        schedule,
        mixture(
            draw(st.sampled_from(["new", "new", "other"])),
            draw(st.sampled_from([Fraction(0), Fraction(1, 20), Fraction(1, 400)])),
            rows=draw(st.sampled_from([ROWS, ROWS, 50, 1000])),
        ),
        draw(st.booleans()),
        draw(st.integers(1, 2)),
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Chain, Chain]:
    """Two chains with a common beginning, most of the time."""
    common = draw(st.lists(stages(), max_size=2))
    tails = [draw(st.lists(stages(), min_size=0 if common else 1, max_size=2)) for _ in "ab"]
    seeds = (0, draw(st.sampled_from([0, 0, 0, 1])))
    one, two = (chain(*common, *tail, seed=seed) for tail, seed in zip(tails, seeds, strict=True))
    return one, two


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_divergence_is_exact(both: tuple[Chain, Chain]) -> None:
    one, two = both
    expected = shared(one, two)
    assert one.divergence(two) == two.divergence(one) == expected
    assert one.divergence(one) == one.steps
    for step in range(min(one.steps, two.steps) + 1):
        same = step <= expected and one.initial == two.initial
        assert (one.name(step) == two.name(step)) is same


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2 * _BLOCK + 5), st.integers(1, 2 * _BLOCK), st.integers(1, 1000))
def test_names_do_not_depend_on_how_they_are_asked_for(step: int, after: int, jump: int) -> None:
    """Nor on what comes later: a state is named by its past."""
    schedule = Constant(max_lr=1e-3, warmup=parse_length("5 steps"))
    long = chain(stage(step + after, schedule=schedule, replay=Fraction(1, 20)))
    other = chain(stage(step + after, schedule=schedule, replay=Fraction(1, 20)))
    other.name(jump % (other.steps + 1))
    assert other.name(step) == long.name(step)
    if step:
        short = chain(stage(step, schedule=schedule, replay=Fraction(1, 20)))
        assert short.name(step) == long.name(step)
        tail = stage(after, rate=1.0)
        assert chain(short.stages[0], tail).name(step) == long.name(step)
        assert chain(short.stages[0], tail).name(step + 1) != long.name(step + 1)


def test_names_across_chunks_are_those_computed_step_by_step() -> None:
    steps = _CHUNK + 2 * _BLOCK + 7
    whole = chain(stage(steps, replay=Fraction(1, 20)), stage(300, rate=2.0))
    for end in (1, _BLOCK - 1, _BLOCK, _BLOCK + 1, _CHUNK - 1, _CHUNK, _CHUNK + 1, steps):
        assert chain(stage(end, replay=Fraction(1, 20))).name(end) == whole.name(end)
    everything = names(whole)
    assert len(set(everything)) == len(everything)
    assert all(name[:10] == f"{step:09d}-" for step, name in enumerate(everything))
    assert {len(name) for name in everything} == {9 + 1 + 40}


def test_names_outside_the_chain_are_refused() -> None:
    one = chain(stage(10))
    for step in (-1, 11, 300):
        with pytest.raises(IndexError):
            one.name(step)
    for step in (-1, 10):
        with pytest.raises(IndexError):
            one.rows(step)


def test_workers_and_stage_names_are_not_in_the_names() -> None:
    plain = chain(stage(9), stage(300, rate=2e-3), seed=1)
    other = chain(stage(9, workers=8, name="x"), stage(300, rate=2e-3, workers=3, name="y"), seed=1)
    assert names(plain) == names(other)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 600), st.integers(1, 600))
def test_a_boundary_without_effect_is_not_in_the_names(first: int, second: int) -> None:
    """Carried optimizer, the same rate, and the rows that come next anyway."""
    whole = chain(stage(first + second))
    carried = stage(second, first=first * 20, reset_optimizer=False)
    split = chain(stage(first), carried)
    assert split.name(first + second) == whole.name(first + second)
    assert split.divergence(whole) == first + second
    reset = chain(stage(first), replace(carried, reset_optimizer=True))
    assert reset.divergence(whole) == reset.divergence(split) == first
    assert reset.name(first) == split.name(first)
    assert [reset.resets_optimizer(s) for s in (0, first - 1, first)] == [False, first == 0, True]
    assert not any(split.resets_optimizer(s) for s in range(first + second))


def test_the_first_stage_never_resets_and_empty_stages_do_no_harm() -> None:
    one = chain(stage(5, reset_optimizer=True), stage(3))
    assert [s for s in range(9) if one.resets_optimizer(s)] == [5]
    carried = stage(3, reset_optimizer=False)
    for some in (
        chain(stage(5), stage(0, reset_optimizer=True), carried),
        chain(stage(5), stage(0, reset_optimizer=False), replace(carried, reset_optimizer=True)),
    ):
        assert [s for s in range(9) if some.resets_optimizer(s)] == [5]
        assert some.name(8) == one.name(8)
    for without in (chain(stage(0), stage(5)), chain(stage(5), stage(0))):
        assert not any(without.resets_optimizer(s) for s in range(6))
        assert names(without) == names(chain(stage(5)))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_one_bit_of_one_rate_changes_every_later_name(data: Any) -> None:
    steps = data.draw(st.integers(1, 600))
    rate = data.draw(st.floats(1e-6, 1.0))
    boundary = data.draw(st.integers(0, steps - 1))
    nearest = float(np.nextafter(rate, 2.0))
    head = [stage(boundary, rate)] if boundary else []
    tail = [
        stage(steps - boundary, r, first=boundary * 20, reset_optimizer=False)
        for r in (rate, nearest)
    ]
    one, two = chain(*head, tail[0]), chain(*head, tail[1])
    assert one.divergence(two) == boundary
    assert not set(names(one)[boundary + 1 :]) & set(names(two))


def test_the_seed_and_all_of_the_initial_state_are_in_every_name() -> None:
    settings_: list[dict[str, Any]] = [
        {"seed": 0},
        {"seed": 1},
        {"seed": 0, "precision": "float32"},
        {"seed": 0, "model": {"hidden_size": 8}},
        {"seed": 0, "model": {"hidden_size": 16}},
    ]
    all_names = [name for s in settings_ for name in names(chain(stage(30), **s))]
    assert len(set(all_names)) == len(all_names)
    assert chain(stage(30), a=1, b=2).name(30) == chain(stage(30), b=2, a=1).name(30)
    assert chain(stage(30), seed=0).divergence(chain(stage(30), seed=1)) == 0


def test_names_follow_the_content_of_corpora_and_not_what_they_are_called() -> None:
    base = chain(stage(40))
    renamed = Chain({}, [stage(40, new="other")], {**PRINTS, "other": PRINTS["new"]}, LENGTH)
    assert renamed.name(40) == base.name(40)
    unused = Chain({}, base.stages, {**PRINTS, "other": "f" * 16}, LENGTH)
    assert unused.name(40) == base.name(40)
    for print_ in ("2" * 15 + "3", "2" * 64, "not hexadecimal", ""):
        changed = Chain({}, base.stages, {**PRINTS, "new": print_}, LENGTH)
        assert changed.name(0) == base.name(0)
        assert changed.divergence(base) == 0


def test_rows_are_in_the_names() -> None:
    base = chain(stage(40))
    two = chain(stage(40, first=3), stage(9, new="other"))
    own = [s.mixture.rows(step) for s in two.stages for step in range(s.steps)]
    assert [two.rows(step) for step in range(49)] == own
    assert base.divergence(chain(stage(40, first=1))) == 0
    assert base.divergence(chain(stage(40, rows=10**6))) == 40  # more rows beyond the last one
    assert base.divergence(chain(stage(40, rows=200))) == 10  # begins again after 10 steps
    assert base.divergence(chain(stage(40, rows=210))) == 10  # inside step 10
    assert chain(stage(40, rows=210)).divergence(chain(stage(40, rows=205))) == 10


@pytest.mark.parametrize("replay", [Fraction(1, 100), Fraction(1, 250), Fraction(1, 3000)])
def test_replay_shares_the_steps_before_its_first_row(replay: Fraction) -> None:
    """1 % of 20 rows is a row in five steps; rounding gives the first one in step 2."""
    schedule = Cosine(max_lr=3e-4)
    head = stage(50, new="old")
    with_replay = chain(head, stage(600, schedule=schedule, replay=replay))
    without = chain(head, stage(600, schedule=schedule))
    first = next(
        s for s in range(50, 650) if any(run.corpus == "old" for run in with_replay.rows(s))
    )
    assert first > 50
    assert with_replay.divergence(without) == first
    zero = Mixture([*mixture().sources, Source("old", Fraction(1), True, limit=9)], 20, Fraction(0))
    listed = chain(head, ChainStage("s", 600, schedule, zero))
    assert listed.name(650) == without.name(650)


def test_learning_rates_over_stage_boundaries() -> None:
    one = chain(stage(5, schedule=Cosine(max_lr=1.0)), stage(4, 0.5), stage(3, 0.25))
    whole = one.learning_rates(0, 12)
    for start in range(13):
        for stop in range(start, 14):
            assert one.learning_rates(start, stop).tobytes() == whole[start:stop].tobytes()
    assert whole[5:].tolist() == [0.5] * 4 + [0.25] * 3
    assert [one.stage_index(s) for s in range(12)] == [0] * 5 + [1] * 4 + [2] * 3


def test_pickling_keeps_names_and_stays_small() -> None:
    one = chain(stage(20_000, replay=Fraction(1, 20)), stage(700, 2e-3), seed=3)
    expected = [one.name(s) for s in (0, 1, 255, 256, 19_999, 20_400, 20_700)]
    data = pickle.dumps(one)
    assert len(data) < 20_000
    again = pickle.loads(data)
    assert [again.name(s) for s in (0, 1, 255, 256, 19_999, 20_400, 20_700)] == expected
    assert again.divergence(one) == one.steps
    assert again.rows(20_010) == one.rows(20_010)
    assert pickle.loads(pickle.dumps(again)).name(20_700) == expected[-1]


def test_the_papers_300b_stage_is_named_quickly() -> None:
    """132,366 steps; the seven weights of SlimPajama make products beyond 64 bits."""
    tokens = (
        155_887_114_486,
        79_872_895_846,
        15_634_722_173,
        13_252_597_099,
        12_579_061_292,
        11_963_032_160,
        10_088_908_154,
    )
    sources = [Source(f"d{i}", Fraction(t, sum(tokens)), limit=ROWS) for i, t in enumerate(tokens)]
    sources.append(Source("old", Fraction(1), True, limit=ROWS, at_end="repeat"))
    prints = {source.corpus: source.corpus for source in sources}
    schedule = Cosine(max_lr=3e-4)
    for weights, limit in ((sources, 1.5), (mixture(replay=Fraction(1, 20)).sources, 0.6)):
        began = time.thread_time()
        mix = Mixture(weights, 1104, Fraction(1, 20))
        one = Chain({}, [ChainStage("s", 132_366, schedule, mix)], {**PRINTS, **prints}, 2048)
        one.name(132_366)
        assert time.thread_time() - began < limit  # 0.14 and 0.04 s on a quiet machine


def test_the_names_are_these_on_every_machine() -> None:
    """Stored states are found by them; a change of meaning needs a new `_FORMAT`."""
    one = chain(stage(300, schedule=Cosine(max_lr=3e-4), replay=Fraction(1, 20)), stage(9), seed=0)
    assert [one.name(0)[10:18], one.name(300)[10:18], one.name(309)[10:18]] == [
        "88053595",
        "f8a5b638",
        "abd46654",
    ]


def test_beginnings_that_are_kept_are_those_of_the_same_steps() -> None:
    """A warm-up in tokens depends on the sequence length, which `initial` need not hold."""
    warming = stage(600, schedule=Constant(max_lr=1e-3, warmup=parse_length("3200 tokens")))

    def warmed(length: int) -> Chain:
        return Chain({}, [warming, stage(10)], PRINTS, length)

    alive = [warmed(16), warmed(32), warmed(16)]
    kept = [one.name(605) for one in alive]
    assert kept[0] == kept[2] != kept[1]
    del alive
    assert warmed(32).name(605) == kept[1]


def test_stages_that_differ_in_length_alone_share_their_steps() -> None:
    """Not only by their hashes: a sweep over where a stage is left hashes its steps once."""
    mix, schedule = mixture(), Cosine(max_lr=1e-3)

    def left_after(steps: int) -> Chain:
        first = ChainStage("s", steps, schedule, mix, whole_steps=5000)
        return chain(first, stage(40, rate=1e-4))

    short, long = left_after(700), left_after(3000)
    assert short.divergence(long) == long.divergence(short) == 700
    assert short._parts[0].beginning is long._parts[0].beginning
    alone = chain(ChainStage("s", 3000, schedule, mixture(), whole_steps=5000))
    assert alone._parts[0].beginning is not long._parts[0].beginning
    assert alone.name(3000) == long.name(3000)


@dataclass(frozen=True)
class OnlyRates:
    """A schedule of which nobody knows that it follows a trunk."""

    schedule: Annealed

    def rates(self, steps: Any, total: int, tokens_per_step: int) -> Any:
        return self.schedule.rates(steps, total, tokens_per_step)


@given(
    at=st.integers(1, 800),
    length=st.integers(1, 60),
    first=st.integers(0, 600),
    other=st.integers(1, 800),
)
@settings(max_examples=25, deadline=None)
def test_an_anneal_goes_along_its_trunk(at: int, length: int, first: int, other: int) -> None:
    """By the same names as if every step had been hashed for itself."""
    mix, trunk = mixture(), Cosine(max_lr=1e-3, warmup=parse_length("1 steps"))
    before = [stage(first, rate=2e-3)] if first else []

    def annealed(where: int) -> Chain:
        schedule = Annealed(trunk, 800, where, length, "10%", "linear")
        return chain(*before, ChainStage("s", where + length, schedule, mix))

    one, two = annealed(at), annealed(other)
    whole = chain(*before, ChainStage("s", 800, trunk, mix))
    for left, right in ((one, whole), (one, two)):
        assert left.divergence(right) == right.divergence(left) == shared(left, right)
    branch: Any = one.stages[-1].schedule
    rates_alone: Any = OnlyRates(branch)
    alone = ChainStage("s", one.steps - first, rates_alone, mix)
    assert one.name(one.steps) == chain(*before, alone).name(one.steps)
