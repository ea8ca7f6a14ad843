"""Successive halving over made-up loss curves."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.plan.early_stopping import Halving, bracket_of, rungs


def test_rungs_grow_by_the_factor_up_to_the_end_of_the_stage() -> None:
    assert rungs(0, 100, 10, 3) == (10, 30, 90)
    assert rungs(50, 100, 10, 2) == (60, 70, 90, 130)
    assert rungs(0, 9, 10, 3) == ()
    assert rungs(0, 10, 0.2, 4) == (1, 4)
    assert rungs(0, 27, 1, 3) == (1, 3, 9)


def halved(values: dict[str, float], factor: int = 3, rung: int = 10) -> Halving:
    """All recipes have come to their first rung with these values."""
    halving = Halving(factor)
    for label, value in values.items():
        halving.enter(label, rungs(0, 100, rung, factor))
        halving.reached(label, rung, value)
    return halving


def test_the_best_third_goes_on_from_the_best_to_the_poorest() -> None:
    halving = halved({label: value for value, label in enumerate("fedcba")})
    assert [halving.promote(), halving.promote(), halving.promote()] == ["f", "e", None]
    assert (halving.limit("f"), halving.limit("d")) == (30, 10)


def test_two_of_three_wait() -> None:
    halving = halved({"a": 2.0, "b": 1.0})
    assert halving.promote() is None
    halving.enter("c", (10, 30))
    halving.reached("c", 10, 3.0)
    assert halving.promote() == "b"
    assert halving.promote() is None


def test_deep_rungs_come_first() -> None:
    halving = halved({label: value for value, label in enumerate("abcdefghi")})
    promoted = [halving.promote() for _ in range(3)]
    assert promoted == ["a", "b", "c"]
    for place, label in enumerate("abc"):
        halving.reached(label, 30, place)
    for label, value in (("j", -1.0), ("k", -2.0), ("l", -3.0)):
        halving.enter(label, (10, 30, 90))
        halving.reached(label, 10, value)
    assert halving.promote() == "a"  # beyond rung 30, although three wait below it
    assert halving.promote() == "l"


def test_a_value_that_is_no_number_is_the_worst() -> None:
    halving = halved({"a": math.nan, "b": 9.0, "c": 8.0})
    assert [halving.promote(), halving.promote()] == ["c", None]


def test_recipes_without_rungs_never_wait() -> None:
    halving = Halving(3)
    halving.enter("a", ())
    assert halving.limit("a") == halving.limit("unknown") == math.inf
    assert halving.promote() is None


def test_who_was_let_on_by_hand_is_not_promoted_again() -> None:
    halving = halved({"a": 1.0, "b": 2.0, "c": 3.0})
    halving.passed("a", 10)
    assert halving.limit("a") == 30
    assert halving.promote() is None
    halving.passed("c", 10)
    halving.reached("c", 30, 0.5)
    assert halving.limit("c") == 30


def test_the_last_one_is_the_best_of_the_deepest_rung() -> None:
    halving = halved({"a": 1.0, "b": 2.0})
    assert halving.promote() is None
    assert halving.promote_last() == "a"
    halving.reached("a", 30, 5.0)
    assert halving.promote_last() == "a"
    halving.reached("a", 90, 5.0)
    assert halving.promote_last() == "a"
    assert halving.limit("a") == math.inf
    assert halving.promote_last() is None


def test_brackets_are_compared_with_themselves_alone() -> None:
    halving = Halving(2)
    halving.enter("a", (10, 20), 0)
    halving.enter("b", (10, 20), 1)
    assert (halving.limit("a"), halving.limit("b")) == (10, 20)
    halving.reached("a", 10, 1.0)
    halving.reached("b", 20, 2.0)
    assert halving.promote() is None
    halving.enter("c", (10, 20), 1)
    halving.reached("c", 20, 3.0)
    assert halving.promote() == "b"
    assert halving.limit("b") == math.inf


def test_brackets_get_recipes_in_hyperbands_proportions() -> None:
    found = Counter(bracket_of(number, 3, 3) for number in range(170))
    assert found == {0: 90, 1: 45, 2: 30} or sum(found.values()) == 170
    assert found[0] / 170 == pytest.approx(9 / 16.5, abs=0.01)
    assert found[1] / 170 == pytest.approx(4.5 / 16.5, abs=0.01)
    assert bracket_of(7, 1, 3) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(30, 200))
def test_about_one_in_factor_goes_on_and_never_a_poorer_one(
    seed: int, factor: int, recipes: int
) -> None:
    """Workers are free in any order; a better recipe of a rung never stays behind a poorer one."""
    draw = random.Random(seed)
    halving = Halving(factor)
    running: list[str] = []
    values: dict[str, float] = {}
    at: dict[int, dict[str, float]] = {}
    passed: dict[int, set[str]] = {}
    begun = 0
    while begun < recipes or running:
        if draw.random() < 0.6:
            label = halving.promote()
            if label is not None:
                rung = max(step for step in at if label in at[step])
                passed.setdefault(rung, set()).add(label)
                there = sorted(at[rung].values())
                # It is among the best 1/factor of those that have come so far, and no better one
                # waits there.
                assert there.index(values[label]) < len(there) // factor
                waiting = [values[o] for o in at[rung] if o not in passed[rung]]
                assert all(values[label] < other for other in waiting)
                running.append(label)
            elif begun < recipes:
                label, begun = f"r{begun}", begun + 1
                values[label] = draw.random()
                halving.enter(label, (1, factor, factor**2))
                running.append(label)
        if running:
            label = running.pop(draw.randrange(len(running)))
            limit = halving.limit(label)
            if limit != math.inf:
                at.setdefault(int(limit), {})[label] = values[label]
                halving.reached(label, int(limit), values[label])
    while (label := halving.promote()) is not None:
        rung = max(step for step in at if label in at[step])
        passed.setdefault(rung, set()).add(label)
    first, best = at[1], min(values, key=values.__getitem__)
    assert best in passed[1]
    # At least the best 1/factor of all; more only of those that looked good early.
    assert recipes // factor <= len(passed[1]) <= recipes / factor + 3 * math.sqrt(recipes)
    assert len(first) == recipes
