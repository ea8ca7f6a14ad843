"""The rows of every step: the promised bounds, for random and for hostile weights."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.epochs import rows_at
from raycl.plan.mixture import Mixture, Run, Source

settings.register_profile("unhurried", deadline=None)  # other tests may load the machine
settings.load_profile("unhurried")

SLIMPAJAMA = (
    155_887_114_486,
    79_872_895_846,
    15_634_722_173,
    13_252_597_099,
    12_579_061_292,
    11_963_032_160,
    10_088_908_154,
)
FAR = 10**13


def group(weights: list[Any], replay: bool) -> list[Source]:
    total = sum(weights, Fraction(0))
    letter = "r" if replay else "n"
    return [
        Source(f"{letter}{i}", Fraction(weight) / total, replay, limit=FAR, at_end="repeat")
        for i, weight in enumerate(weights)
    ]


KINDS: list[st.SearchStrategy[int | Fraction]] = [
    st.integers(1, 9),
    st.integers(1, 10**12),
    st.sampled_from(SLIMPAJAMA),
    st.integers(-40, 0).map(lambda e: Fraction(2) ** e),
    st.integers(1, 50).map(lambda k: Fraction(1, 10**k)),
    st.builds(Fraction, st.integers(1, 10**6), st.integers(1, 10**6)),
    st.sampled_from([0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55]),
]
"""Made once: to make a strategy takes longer than to draw from it."""
CHOICES = st.lists(st.integers(0, len(KINDS) - 1), min_size=1, max_size=3)
NUMBERS = st.lists(st.integers(0, 2), min_size=1, max_size=12)


@st.composite
def weight_lists(draw: st.DrawFn) -> list[Fraction]:
    """Up to twelve weights, of up to three kinds."""
    kinds = draw(CHOICES)
    weights = [Fraction(draw(KINDS[kinds[n % len(kinds)]])) for n in draw(NUMBERS)]
    return weights if any(weights) else [Fraction(1)]


WEIGHTS = weight_lists()
BATCHES = st.sampled_from([1, 2, 3, 7, 8, 64, 100, 1104, 2**20])


SHARES = st.one_of(
    st.sampled_from([Fraction(0), Fraction(1, 20), Fraction(1, 200), Fraction(1, 4)]),
    st.fractions(0, 1, max_denominator=1000),
    st.integers(1, 30).map(lambda k: Fraction(1, 10**k)),
)


@st.composite
def mixtures(draw: st.DrawFn) -> Mixture:
    replay = draw(SHARES)
    sources = group(draw(WEIGHTS), False) + group(draw(WEIGHTS), True)
    return Mixture(draw(st.permutations(sources)), draw(BATCHES), replay)


def exact_share(mixture: Mixture, source: Source) -> Fraction:
    return source.weight * (mixture.replay if source.replay else 1 - mixture.replay)


def check_bounds(mixture: Mixture, first: int, count: int) -> None:
    """All that the module's docstring promises, for the steps first … first + count."""
    steps = np.arange(first, first + count + 1)
    counts = mixture.supplied(steps)
    assert counts.dtype == np.int64
    assert (np.diff(counts) >= 0).all()
    assert (counts.sum(axis=0) == steps * mixture.global_batch).all()
    totals = steps.astype(object) * mixture.global_batch  # Python's integers, of any size
    replayed = counts[[s.replay for s in mixture.sources]].sum(axis=0)
    assert (2 * scaled_errors(replayed, totals, mixture.replay) <= mixture.replay.denominator).all()
    for source, row in zip(mixture.sources, counts, strict=True):
        share = exact_share(mixture, source)
        bound = 1 if share * mixture.global_batch >= 1 else 2
        errors = scaled_errors(row, totals, share)
        assert (errors < bound * share.denominator).all(), source
        assert share > 0 or not errors.any()


def scaled_errors(counts: Any, totals: Any, share: Fraction) -> Any:
    """|counts − totals × share| in units of 1/denominator: exact, and in integers fast."""
    return abs(counts.astype(object) * share.denominator - totals * share.numerator)


@settings(max_examples=300)
@given(mixtures(), st.sampled_from([0, 1, 17, 10**6, 10**7 + 3, 10**9]), st.integers(1, 12))
def test_bounds(mixture: Mixture, first: int, count: int) -> None:
    if (first + count) * mixture.global_batch <= 2**50:
        check_bounds(mixture, first, count)


@pytest.mark.parametrize("replay", [Fraction(0), Fraction(1, 200), Fraction(1, 20), Fraction(1)])
@pytest.mark.parametrize("batch", [4, 32, 1104])
def test_bounds_for_slimpajama(replay: Fraction, batch: int) -> None:
    mixture = Mixture(group(list(SLIMPAJAMA), False) + group([1], True), batch, replay)
    for first in (0, 132_300, 10**9):
        check_bounds(mixture, first, 200)


@pytest.mark.parametrize("length", [3, 10, 30])
def test_bounds_for_weights_that_make_deep_pairs(length: int) -> None:
    """Powers of two and Fibonacci numbers give the deepest trees of pairs."""
    fibonacci = [1, 1]
    while len(fibonacci) < length:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    for weights in ([2**k for k in range(length)], fibonacci, [1] * length):
        check_bounds(Mixture(group(weights, False), 1, Fraction(0)), 0, 300)


def test_a_common_source_beside_rare_ones_stays_within_a_row() -> None:
    """It is never paired with them: paired, the first of these was 1.21 rows off."""
    weights = [361, 3, 2, 7092]
    for replay in (Fraction(0), Fraction(1, 3), Fraction(1, 20)):
        mixture = Mixture(group(weights, False) + group([1], True), 50, replay)
        check_bounds(mixture, 0, 1000)


def test_halves_of_a_group_and_of_its_rare_source_are_rounded_alike() -> None:
    """4.5 rows a step and group: 0.5 of a rare source, and exactly 4 of a common one."""
    mixture = Mixture(group([1, 8], False) + group([1, 8], True), 9, Fraction(1, 2))
    check_bounds(mixture, 0, 20)
    assert set(np.diff(mixture.supplied(np.arange(20)))[[1, 3]].ravel().tolist()) == {4}


def test_a_weight_of_zero_gives_nothing() -> None:
    mixture = Mixture(group([0, 1, 0], False), 8, Fraction(0))
    assert mixture.supplied(np.array([5, 10**9]))[:, 0].tolist() == [0, 40, 0]


def test_five_percent_of_1104_rows() -> None:
    """55.2 rows a step: 55 or 56 in every one, and never a row off the exact sum (§4)."""
    mixture = Mixture(group([1], False) + group([1], True), 1104, Fraction(1, 20))
    for first in (0, 10**6, 10**9):
        steps = np.arange(first, first + 2001)
        replayed = mixture.supplied(steps)[1]
        assert set(np.diff(replayed).tolist()) == {55, 56}
        errors = [abs(int(r) - Fraction(1104 * int(t), 20)) for t, r in zip(steps, replayed)]  # noqa: B905
        assert max(errors) <= Fraction(1, 2)
    quarter = Mixture(group([1], False) + group([1], True), 1104, Fraction(1, 4))
    assert set(np.diff(quarter.supplied(np.arange(1000))[1]).tolist()) == {276}


def test_far_steps_cost_what_the_first_ones_cost() -> None:
    mixture = Mixture(group(list(SLIMPAJAMA), False) + group([1], True), 1104, Fraction(1, 20))
    times = {}
    for step in (0, 10**6, 10**9, 10**11):
        mixture.rows(step)
        began = time.thread_time()
        for offset in range(20):
            assert sum(run.count for run in mixture.rows(step + offset)) == 1104
        times[step] = time.thread_time() - began
    assert max(times.values()) < 10 * min(times.values()) + 0.05
    with pytest.raises(OverflowError):
        mixture.rows(10**13)


@given(mixtures(), st.lists(st.integers(0, 500), min_size=1, max_size=5))
def test_seeking_gives_what_reading_on_gives(mixture: Mixture, steps: list[int]) -> None:
    whole = mixture.supplied(np.arange(502))
    for step in steps:
        alone = mixture.supplied(np.array([step]))[:, 0]
        assert alone.tolist() == whole[:, step].tolist()
        with_far = mixture.supplied(np.array([step, 10**8]))[:, 0]
        assert with_far.tolist() == alone.tolist()
    if mixture.global_batch <= 100:
        read = dict.fromkeys((s.corpus for s in mixture.sources), 0)
        for step in range(20):
            for run in mixture.rows(step):
                assert run.first == read[run.corpus]
                read[run.corpus] += run.count
        assert list(read.values()) == whole[:, 20].tolist()


@given(mixtures(), st.integers(0, 50), st.lists(st.integers(1, 60), min_size=24, max_size=24))
def test_runs_wrap_around(mixture: Mixture, step: int, limits: list[int]) -> None:
    if mixture.global_batch > 1104:
        return
    sources = [
        replace(s, limit=limit, first=limit // 2)
        for s, limit in zip(mixture.sources, limits, strict=False)
    ]
    wrapped = Mixture(sources, mixture.global_batch, mixture.replay)
    before, after = mixture.supplied(np.array([step, step + 1])).T
    runs = wrapped.rows(step)
    got = [(run.corpus, row) for run in runs for row in range(run.first, run.first + run.count)]
    expected = [
        (s.corpus, row)
        for s, start, stop in zip(sources, before, after, strict=True)
        for row in positions_read(s, s.first + int(start), s.first + int(stop))
    ]
    assert got == expected
    by_corpus = {s.corpus: s for s in sources}
    for run in runs:
        assert run.count > 0
        assert 0 <= run.first < run.first + run.count <= by_corpus[run.corpus].limit
    for one, two in pairwise(runs):  # a run of old data is cut only where the source begins again
        assert one.corpus != two.corpus or one.corpus.startswith("n") or two.first == 0


def positions_read(source: Source, start: int, stop: int) -> list[int]:
    """The rows at some positions: old data in their order, new data in that of each epoch."""
    if source.replay:
        return [position % source.limit for position in range(start, stop)]
    return list(map(int, rows_at(start, stop, source.limit, source.seed or 0)))


def test_new_data_are_read_in_another_order_in_each_epoch_and_old_data_are_not() -> None:
    half = Fraction(1, 2)
    new, old = (Source("a", Fraction(1), replay, limit=100) for replay in (False, True))
    mixture = Mixture([new, old], 20, half)
    read: dict[bool, list[int]] = {False: [], True: []}
    for step in range(40):
        for number, run in enumerate(sorted_runs(mixture, step)):
            read[bool(number)] += run
    epochs = [read[False][first : first + 100] for first in range(0, 400, 100)]
    assert epochs[0] == list(range(100))
    assert all(sorted(epoch) == list(range(100)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert read[True] == 4 * list(range(100))


def sorted_runs(mixture: Mixture, step: int) -> list[list[int]]:
    """The rows of new data and of old data, ten of each."""
    rows = [row for run in mixture.rows(step) for row in range(run.first, run.first + run.count)]
    return [rows[:10], rows[10:]]


@settings(max_examples=40)
@given(st.integers(1, 5000), st.integers(0, 10**6), st.integers(0, 9))
def test_neighbouring_rows_of_later_epochs_are_one_run(limit: int, step: int, seed: int) -> None:
    runs = Mixture([Source("a", Fraction(1), limit=limit, seed=seed)], 64, Fraction(0)).rows(step)
    rows = [row for run in runs for row in range(run.first, run.first + run.count)]
    assert rows == rows_at(64 * step, 64 * step + 64, limit, seed).tolist()
    for one, two in pairwise(runs):
        inside = (64 * step + rows.index(two.first)) % limit
        assert one.first + one.count != two.first or limit <= 64 or inside == 0


def test_a_batch_may_hold_a_small_corpus_several_times() -> None:
    mixture = Mixture([Source("a", Fraction(1), first=1, limit=3)], 7, Fraction(0))
    read = [row for run in mixture.rows(0) for row in range(run.first, run.first + run.count)]
    assert mixture.rows(0)[0] == Run("a", 1, 2)
    assert [sorted(read[:2]), sorted(read[2:5])] == [[1, 2], [0, 1, 2]]
    old = Mixture([Source("a", Fraction(1), True, first=1, limit=3)], 7, Fraction(1))
    assert old.rows(0) == [Run("a", 1, 2), Run("a", 0, 3), Run("a", 0, 2)]


def test_steps_until_the_end_of_some_epochs() -> None:
    source = Source("a", Fraction(1), first=150, limit=100, at_end="repeat")
    assert Mixture([source], 10, Fraction(0)).steps_until_end(99) == {}
    bounded = Mixture([replace(source, end=325)], 10, Fraction(0))
    assert bounded.steps_until_end(99) == {"a": 17}
    assert bounded.steps_until_end(5) == {"a": 5}


@given(mixtures(), st.integers(0, 400), st.integers(0, 5000), st.integers(0, 100))
def test_steps_until_end(mixture: Mixture, steps: int, limit: int, first: int) -> None:
    sources = [replace(s, limit=limit, first=first, at_end="stop") for s in mixture.sources]
    bounded = Mixture(sources, mixture.global_batch, mixture.replay)
    counts = mixture.supplied(np.arange(steps + 1))
    expected = {
        source.corpus: max(0, int((counts[i] <= limit - first).sum()) - 1)
        for i, source in enumerate(sources)
        if not source.replay
    }
    assert bounded.steps_until_end(steps) == expected
    assert mixture.steps_until_end(steps) == {}


def test_steps_until_end_takes_the_scarcest_of_a_corpus_twice() -> None:
    half = Fraction(1, 2)
    sources = [Source("a", half, limit=8, at_end="stop"), Source("a", half, limit=80)]
    assert Mixture(sources, 4, Fraction(0)).steps_until_end(99) == {"a": 4}


@pytest.mark.parametrize(
    ("weights", "replay_weights", "replay", "batch"),
    [
        ([], [1], Fraction(1, 2), 8),
        ([1], [], Fraction(1, 2), 8),
        ([Fraction(1, 2)], [], Fraction(0), 8),
        ([Fraction(-1, 2), Fraction(3, 2)], [], Fraction(0), 8),
        ([1], [1], Fraction(-1, 2), 8),
        ([1], [1], Fraction(3, 2), 8),
        ([1], [], Fraction(0), 0),
    ],
)
def test_ill_weighted_sources_are_refused(
    weights: list[Any], replay_weights: list[Any], replay: Fraction, batch: int
) -> None:
    sources = [Source(f"n{i}", Fraction(w)) for i, w in enumerate(weights)]
    sources += [Source(f"r{i}", Fraction(w), True) for i, w in enumerate(replay_weights)]
    with pytest.raises(ValueError, match=r"weight"):
        Mixture(sources, batch, replay)
