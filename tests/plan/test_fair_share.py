"""How sweeps share a cluster: nobody too much, nobody nothing, nothing idle that is of use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.plan.fair_share import Claimant, allotments, in_turn, usable_capacity

ONES = (1,) * 20


def claimants(singles: bool) -> st.SearchStrategy[list[Claimant]]:
    """Up to six sweeps of three owners, in two priorities."""
    size = st.just(1) if singles else st.integers(1, 5)
    made = st.builds(
        Claimant,
        holder=st.uuids().map(str),
        owner=st.sampled_from(["anna", "bert", "carl"]),
        priority=st.sampled_from([0, 1]),
        share=st.sampled_from([0.5, 1.0, 2.0, 3.0]),
        running=st.lists(size, max_size=3).map(tuple),
        waiting=st.lists(size, max_size=6).map(tuple),
        served=st.sampled_from([0.0, 1.0, 2.0]),
        since=st.sampled_from([0.0, 1.0]),
    )
    return st.lists(made, max_size=6, unique_by=lambda each: each.holder)


QUOTAS = st.dictionaries(st.sampled_from(["anna", "bert"]), st.integers(0, 6))
CAPACITY = st.integers(0, 16)


def of_owner(owner: str, group: Sequence[Claimant], got: dict[str, int]) -> int:
    return sum(got[each.holder] for each in group if each.owner == owner)


@given(CAPACITY, claimants(singles=False), QUOTAS)
def test_no_more_than_there_is_wanted_or_allowed(
    capacity: int, group: list[Claimant], quotas: dict[str, int]
) -> None:
    got = allotments(capacity, group, quotas)
    usable = usable_capacity(capacity, group, quotas)
    assert sum(got.values()) <= usable
    assert capacity <= usable <= max(capacity, 5)  # 5: the largest node
    assert all(0 <= got[each.holder] <= each.wanted for each in group)
    assert all(of_owner(owner, group, got) <= most for owner, most in quotas.items())


@given(CAPACITY, claimants(singles=False), QUOTAS)
def test_nothing_is_left_that_the_next_node_of_somebody_could_use(
    capacity: int, group: list[Claimant], quotas: dict[str, int]
) -> None:
    got = allotments(capacity, group, quotas)
    left = usable_capacity(capacity, group, quotas) - sum(got.values())
    for each in group:
        nodes = each.running + each.waiting
        sums = [sum(nodes[:number]) for number in range(len(nodes) + 1)]
        assert got[each.holder] in sums  # whole nodes
        more = [total for total in sums if total > got[each.holder]]
        if more:
            allowed = quotas.get(each.owner, math.inf) - of_owner(each.owner, group, got)
            assert more[0] - got[each.holder] > min(left, allowed)


@given(CAPACITY, claimants(singles=False), QUOTAS, st.randoms())
def test_everybody_who_looks_sees_the_same(
    capacity: int, group: list[Claimant], quotas: dict[str, int], random: object
) -> None:
    mixed = list(group)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert allotments(capacity, mixed, quotas) == allotments(capacity, group, quotas)


@given(CAPACITY, claimants(singles=True), QUOTAS, st.integers(0, 5), st.sampled_from([1.5, 4.0]))
def test_a_larger_share_never_gets_less(
    capacity: int, group: list[Claimant], quotas: dict[str, int], place: int, times: float
) -> None:
    if place >= len(group):
        return
    raised = [
        replace(each, share=each.share * times) if number == place else each
        for number, each in enumerate(group)
    ]
    holder = group[place].holder
    before, after = allotments(capacity, group, quotas), allotments(capacity, raised, quotas)
    assert after[holder] >= before[holder]


@given(CAPACITY, claimants(singles=True))
def test_a_higher_priority_takes_all_that_it_can_use(capacity: int, group: list[Claimant]) -> None:
    got = allotments(capacity, group)
    urgent = [each for each in group if each.priority == 1]
    wanted = sum(each.wanted for each in urgent)
    usable = usable_capacity(capacity, group)
    assert sum(got[each.holder] for each in urgent) == min(usable, wanted)


@given(st.integers(1, 6), claimants(singles=False))
def test_who_is_served_goes_to_the_end_so_that_nobody_starves(
    capacity: int, group: list[Claimant]
) -> None:
    """In rounds: each sweep that may start its next node does, and the nodes end."""
    group = [replace(each, priority=0, running=()) for each in group if each.waiting]
    served: set[str] = set()
    for turn in range(1, 2 * len(group) + 2):
        got = allotments(capacity, group)
        starts = {each.holder for each in group if got[each.holder]}
        served |= starts
        group = [
            replace(each, served=2.0 + turn) if each.holder in starts else each for each in group
        ]
    assert served == {each.holder for each in group}


def test_equal_sweeps_get_equal_parts_and_the_first_what_is_over() -> None:
    group = [Claimant(name, name, waiting=ONES, since=i) for i, name in enumerate("abc")]
    assert allotments(8, group) == {"a": 3, "b": 3, "c": 2}
    assert allotments(2, group) == {"a": 1, "b": 1, "c": 0}
    group[0] = replace(group[0], served=5.0)  # it has started a node: the others come first
    assert allotments(2, group) == {"a": 0, "b": 1, "c": 1}


def test_what_one_cannot_use_the_others_get() -> None:
    group = [Claimant("a", "a", waiting=(1,)), Claimant("b", "b", waiting=ONES)]
    assert allotments(8, group) == {"a": 1, "b": 7}


def test_shares_weigh() -> None:
    group = [Claimant("a", "a", waiting=ONES), Claimant("b", "b", share=3, waiting=ONES)]
    assert allotments(8, group) == {"a": 2, "b": 6}


def test_an_owner_gets_no_more_by_starting_more_sweeps() -> None:
    group = [Claimant(name, "anna", waiting=ONES) for name in "abc"]
    group.append(Claimant("d", "bert", waiting=ONES))
    assert allotments(12, group) == {"a": 2, "b": 2, "c": 2, "d": 6}


def test_a_quota_holds_also_where_nobody_else_is_there() -> None:
    group = [Claimant("a", "anna", waiting=ONES), Claimant("b", "anna", priority=1, waiting=ONES)]
    assert allotments(12, group, {"anna": 4}) == {"a": 0, "b": 4}
    assert allotments(12, group, {"anna": 0}) == {"a": 0, "b": 0}


def test_a_node_that_is_larger_than_the_fair_part_gets_its_workers() -> None:
    large, small = Claimant("a", "a", waiting=(4, 4)), Claimant("b", "b", waiting=ONES)
    assert allotments(6, [large, small]) == {"a": 4, "b": 2}


@pytest.mark.parametrize(("last", "expected"), [("a", {"a": 0, "b": 3}), ("b", {"a": 3, "b": 0})])
def test_nodes_that_cannot_run_beside_each_other_take_turns(
    last: str, expected: dict[str, int]
) -> None:
    group = [Claimant("a", "a", waiting=(3,)), Claimant("b", "b", waiting=ONES)]
    group = [replace(each, served=float(each.holder == last)) for each in group]
    assert allotments(3, group) == expected


def test_a_cluster_that_holds_nothing_yet_grows_for_the_first() -> None:
    group = [Claimant("a", "a", waiting=(4,)), Claimant("b", "b", waiting=(1, 1))]
    assert allotments(0, group) == {"a": 4, "b": 0}
    assert allotments(0, group, {"a": 3}) == {"a": 0, "b": 1}


def test_the_order_of_turns() -> None:
    group = [
        Claimant("a", served=1),
        Claimant("b", since=2),
        Claimant("c", since=1),
        Claimant("d", priority=1, served=9),
    ]
    assert [each.holder for each in in_turn(group)] == ["d", "c", "b", "a"]


def test_a_node_that_runs_on_counts_as_what_is_held() -> None:
    long = Claimant("a", "a", running=(3,), waiting=ONES)
    assert allotments(4, [long, Claimant("b", "b", waiting=ONES, since=1)]) == {"a": 3, "b": 1}
