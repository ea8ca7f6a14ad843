"""Mixtures that change inside a stage: the promised bounds, for random and for hostile shares."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.changing import Change
from raycl.plan.mixture import Mixture, Source
from tests.plan.test_mixture import BATCHES, FAR, SHARES, WEIGHTS, group

settings.load_profile("unhurried")


@st.composite
def changes(draw: st.DrawFn) -> Change:
    places = st.integers(0, draw(st.sampled_from([3, 20, 10**6])))
    if draw(st.booleans()):
        begin, length = draw(places), draw(places)
        return Change("linear", (begin, begin + length + 1))
    return Change("stepped", tuple(sorted(draw(st.sets(places, min_size=1, max_size=4)))))


@st.composite
def mixtures(draw: st.DrawFn) -> Mixture:
    """Up to twelve corpora with a share before, after or both, and sometimes replay."""
    first, last = draw(WEIGHTS), draw(WEIGHTS)
    size = max(len(first), len(last))
    before, after = (
        [weight / sum(weights) for weight in [*weights, *[Fraction(0)] * (size - len(weights))]]
        for weights in (first, last)
    )
    after = draw(st.permutations(after))
    new = [
        Source(f"n{i}", w, limit=FAR, at_end="repeat", later=later)
        for i, (w, later) in enumerate(zip(before, after, strict=True))
    ]
    replay = draw(SHARES)
    sources = draw(st.permutations(new + group(draw(WEIGHTS), True)))
    return Mixture(sources, draw(BATCHES), replay, draw(changes()))


def risen(change: Change, time: Fraction) -> Fraction:
    """∫ x from the stage's beginning to a time in steps, piece by piece."""
    if change.how == "stepped":
        return sum((max(time - at, Fraction(0)) for at in change.at), Fraction(0)) / len(change.at)
    begin, end = change.at
    if time <= begin:
        return Fraction(0)
    if time <= end:
        return (time - begin) ** 2 / (2 * (end - begin))
    return Fraction(end - begin, 2) + time - end


def exact(mixture: Mixture, source: Source, rows: int) -> Fraction:
    """The exact number of a source among so many new rows."""
    assert mixture.change is not None
    assert source.later is not None
    per_step = (1 - mixture.replay) * mixture.global_batch
    late = risen(mixture.change, rows / per_step) * per_step
    return source.weight * (rows - late) + source.later * late


def check_bounds(mixture: Mixture, first: int, count: int) -> None:
    """All that the module's docstring promises, for the steps first … first + count."""
    steps = np.arange(first, first + count + 1)
    counts = mixture.supplied(steps)
    assert (counts >= 0).all()
    assert (np.diff(counts) >= 0).all()
    assert (counts.sum(axis=0) == steps * mixture.global_batch).all()
    news = [number for number, s in enumerate(mixture.sources) if not s.replay]
    per_step = int((1 - mixture.replay) * mixture.global_batch)
    often = {i: min(w.weight, w.later or 0) * per_step >= 1 for i, w in enumerate(mixture.sources)}
    rare = [i for i in news if not often[i]]
    for column in range(count + 1):
        rows = int(counts[news, column].sum())
        for i in news:
            error = abs(int(counts[i, column]) - exact(mixture, mixture.sources[i], rows))
            if often[i]:
                assert error < 1
            elif len(rare) == 1 or len(rare) == len(news) == 2:
                assert error <= Fraction(1, 2)
            else:
                assert error < 4


@settings(max_examples=100)
@given(mixtures(), st.sampled_from([0, 0, 1, 17, 10**6 - 2, 10**7 + 3]), st.integers(1, 12))
def test_bounds(mixture: Mixture, first: int, count: int) -> None:
    if mixture.replay < 1 and (first + count) * mixture.global_batch <= 2**50:
        check_bounds(mixture, first, count)


@given(mixtures(), st.integers(0, 30), st.integers(0, 30))
def test_old_data_are_supplied_as_without_a_change(mixture: Mixture, one: int, two: int) -> None:
    fixed = Mixture(mixture.sources, mixture.global_batch, mixture.replay)
    steps = np.array(sorted((one, two)))
    old = [number for number, s in enumerate(mixture.sources) if s.replay]
    assert (mixture.supplied(steps)[old] == fixed.supplied(steps)[old]).all()


@given(mixtures(), st.lists(st.integers(0, 10**6), min_size=2, max_size=20))
def test_a_step_costs_no_look_at_those_before_it(mixture: Mixture, steps: list[int]) -> None:
    together = mixture.supplied(np.array(steps))
    for column, step in enumerate(steps):
        assert (mixture.supplied(np.array([step]))[:, 0] == together[:, column]).all()


def two(change: Change, batch: int, replay: int = 0) -> Mixture:
    """90 % web that become 20 %, and the rest."""
    web = Source("web", Fraction(9, 10), limit=FAR, later=Fraction(2, 10))
    medical = Source("medical", Fraction(1, 10), limit=FAR, later=Fraction(8, 10))
    old = [Source("old", Fraction(1), True, limit=FAR)] if replay else []
    return Mixture([web, medical, *old], batch, Fraction(replay, 100), change)


def test_a_linear_change_row_by_row() -> None:
    """Ten steps of ten rows: 1, 1.7, 2.4 … of medical on the way, each the mean over its step."""
    counts = np.diff(two(Change("linear", (0, 10)), 10).supplied(np.arange(13)))
    assert counts.sum(axis=0).tolist() == [10] * 12
    exact_shares = [1 + 0.7 * (step + 0.5) for step in range(10)] + [8, 8]
    assert np.abs(np.cumsum(counts[1]) - np.cumsum(exact_shares)).max() <= 0.5
    assert counts[1].tolist() == [1, 2, 3, 4, 4, 5, 5, 6, 7, 8, 8, 8]


def test_a_stepped_change_is_two_fixed_mixtures_one_after_the_other() -> None:
    counts = np.diff(two(Change("stepped", (3,)), 10).supplied(np.arange(7)))
    assert counts[1].tolist() == [1, 1, 1, 8, 8, 8]
    stairs = np.diff(two(Change("stepped", (2, 4)), 100).supplied(np.arange(6)))
    assert stairs[1].tolist() == [10, 10, 45, 45, 80]


def test_every_batch_of_a_large_run_is_within_a_row_of_its_share() -> None:
    mixture = two(Change("linear", (0, 132_366)), 1104, replay=5)
    steps = np.arange(70_000, 70_200)
    counts = np.diff(mixture.supplied(steps))
    assert set(counts[2].tolist()) == {55, 56}
    for step, (medical, old) in zip(steps, counts[1:].T, strict=False):
        share = 0.1 + 0.7 * (step + 0.5) / 132_366
        assert abs(medical - share * (1104 - old)) < 2


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_small_batches_and_corpora_that_begin_or_end_with_nothing(batch: int) -> None:
    web = Source("web", Fraction(1), limit=FAR, later=Fraction(0))
    others = [Source(name, Fraction(0), limit=FAR, later=Fraction(1, 3)) for name in "abc"]
    for sources in ([web, *others], [web, Source("a", Fraction(0), limit=FAR, later=Fraction(1))]):
        mixture = Mixture(sources, batch, Fraction(0), Change("linear", (0, 40)))
        check_bounds(mixture, 0, 60)
        counts = np.diff(mixture.supplied(np.array([0, 40, 60])))
        assert abs(counts[0, 0] - batch * 20) <= 1  # half of the new data over the change
        assert counts[0, 1] <= 1


@given(changes(), st.integers(1, 10**6))
def test_the_mean_is_the_share_over_all_steps(change: Change, steps: int) -> None:
    assert change.mean(steps) * steps == risen(change, Fraction(steps))
    assert change.mean(0) == 0


def test_a_stage_that_goes_on_has_the_same_steps() -> None:
    short, long = (two(Change("linear", (5, 20)), 16, 10).supplied(np.arange(n)) for n in (9, 99))
    assert (short == long[:, :9]).all()


def test_mixtures_that_sum_to_another_number_are_refused() -> None:
    sources = [Source("a", Fraction(1), later=Fraction(1, 2))]
    with pytest.raises(ValueError, match="after the change"):
        Mixture(sources, 4, Fraction(0), Change("linear", (0, 4)))


def test_far_steps_cost_what_the_first_ones_cost() -> None:
    mixture = two(Change("linear", (0, 10**7)), 1104, 5)
    for one, later in pairwise([0, 10**6, 10**9]):
        assert mixture.rows(one)[0].first < mixture.rows(later)[0].first
