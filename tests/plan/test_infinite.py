"""Infinite schedules, WSD, linear decay and anneals, against formulas written out once more."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from raycl.plan.anneal import Annealed
from raycl.plan.curves import descend
from raycl.plan.schedule import (
    Constant,
    Cosine,
    Infinite,
    Linear,
    Schedule,
    WarmupStableDecay,
)
from raycl.units import parse_length
from tests.helpers.schedules import steps_of, written

TOTAL = 132_366
PEAK, PLATEAU, FLOOR = 3e-4, 1.65e-4, 3e-5
parse = TypeAdapter(Schedule).validate_python


def authors_rate(t: int, style: str, total: int = TOTAL) -> float:
    """The authors' four phases (paper §1.5): 0.85 is where the plateau ends, not its length."""
    warm, s = 0.01 * total, t - 0.01 * total
    cooldown, plateau_end = 0.6 * total, 0.85 * total
    if s <= 0:
        return PEAK * t / warm
    if s <= cooldown:
        if style == "cosine":
            return PLATEAU + (PEAK - PLATEAU) / 2 * (math.cos(math.pi * s / cooldown) + 1)
        g = [1 / math.sqrt(1 + 10 * x) - 1 for x in (s / cooldown, 1.0)]
        return PEAK + (PLATEAU - PEAK) * g[0] / g[1]
    if s <= plateau_end:
        return PLATEAU
    decay = math.log(PLATEAU / FLOOR) / (total - warm - plateau_end)
    return max(FLOOR, PLATEAU * math.exp(-decay * (s - plateau_end)))


@pytest.mark.parametrize("style", ["cosine", "inverse-sqrt"])
def test_infinite_is_the_authors(style: Any) -> None:
    schedule = written(
        Infinite,
        max_lr=PEAK,
        constant_lr=PLATEAU,
        min_lr=FLOOR,
        warmup=parse_length("1%"),
        cooldown=parse_length("60%"),
        shape=style,
        anneal=parse_length("14%"),
    )
    rates = schedule.rates(steps_of(TOTAL), TOTAL, 1)
    expected = [authors_rate(t, style) for t in range(TOTAL)]
    np.testing.assert_allclose(rates, expected, rtol=1e-10)
    plateau = (rates == PLATEAU).sum() / TOTAL
    assert plateau == pytest.approx(0.25, abs=1e-4)  # a length: 25 %, and not 85 %


def test_a_trunk_needs_no_total() -> None:
    trunk = written(
        Infinite,
        max_lr=PEAK,
        constant_lr=PLATEAU,
        warmup="100 steps",
        cooldown="500 steps",
        shape="linear",
    )
    short, long = (trunk.rates(steps_of(n), n, 1) for n in (1000, 5000))
    assert (short == long[:1000]).all()
    assert (long[600:] == PLATEAU).all()
    assert long[350] == pytest.approx((PEAK + PLATEAU) / 2, rel=1e-12)


@given(
    st.integers(1, 400),
    st.integers(0, 30),
    st.integers(0, 50),
    st.sampled_from(["cosine", "inverse-sqrt", "linear"]),
    st.floats(0.1, 1000),
)
def test_infinite_never_leaves_its_bounds(
    total: int, warm: int, cool: int, shape: Any, steepness: float
) -> None:
    schedule = written(
        Infinite,
        max_lr=PEAK,
        constant_lr=PLATEAU,
        min_lr=FLOOR,
        warmup=parse_length(f"{warm}%"),
        cooldown=parse_length(f"{cool}%"),
        shape=shape,
        steepness=steepness,
        anneal=parse_length("20%"),
    )
    rates = schedule.rates(steps_of(total), total, 1)
    top = math.floor(warm * total / 100)
    assert (np.diff(rates[top + 1 :]) <= 1e-18).all()
    assert rates.max() <= PEAK * (1 + 1e-12)
    assert rates[top + 1 :].min(initial=1) >= FLOOR * (1 - 1e-12)


def test_warmup_stable_decay() -> None:
    steps, total = steps_of(1000), 1000
    falls: dict[Any, Callable[[float], float]] = {
        "linear": lambda x: 1 - x,
        "1-sqrt": lambda x: 1 - math.sqrt(x),
    }
    for shape, fall in falls.items():
        schedule = written(
            WarmupStableDecay, max_lr=1e-3, min_lr=0, warmup="5%", decay="20%", shape=shape
        )
        rates = schedule.rates(steps, total, 1)
        assert (rates[50:801] == 1e-3).all()
        expected = [1e-3 * fall((t - 800) / 200) for t in range(800, 1000)]
        np.testing.assert_allclose(rates[800:], expected, rtol=1e-12, atol=1e-18)


def test_linear_decay_and_starts() -> None:
    linear = written(Linear, max_lr=1e-3, min_lr="10%", warmup="10%", start_lr=5e-4)
    rates = linear.rates(steps_of(100), 100, 1)
    assert rates[0] == 5e-4
    assert rates[5] == pytest.approx(7.5e-4, rel=1e-12)
    assert rates[55] == pytest.approx((1e-3 + 1e-4) / 2, rel=1e-12)


@given(st.integers(10, 300), st.integers(1, 100), st.sampled_from(["exponential", "1-sqrt"]))
def test_an_anneal_leaves_the_trunk_and_ends_at_its_floor(at: int, length: int, shape: Any) -> None:
    trunk = written(
        Infinite, max_lr=PEAK, constant_lr=PLATEAU, warmup="10 steps", cooldown="100 steps"
    )
    branch: Any = Annealed(trunk, 300, at, length, FLOOR, shape)
    steps = steps_of(at + length + 1)
    rates, own = branch.rates(steps, at + length, 1), trunk.rates(steps, 300, 1)
    assert (rates[: at + 1] == own[: at + 1]).all()
    assert rates[at + length] == pytest.approx(FLOOR, rel=1e-12)
    assert (np.diff(rates[at:]) < 0).all()
    if shape == "exponential":
        begin = own[at]
        expected = [begin * (FLOOR / begin) ** (k / length) for k in range(length + 1)]
        np.testing.assert_allclose(rates[at:], expected, rtol=1e-11)


@pytest.mark.parametrize("shape", ["cosine", "linear", "1-sqrt", "inverse-sqrt", "exponential"])
def test_shapes_meet_their_ends(shape: Any) -> None:
    ends = descend(3e-4, 1e-5, np.array([-1.0, 0.0, 1.0, 2.0]), shape)
    np.testing.assert_allclose(ends, [3e-4, 3e-4, 1e-5, 1e-5], rtol=1e-12)
    with pytest.raises(ValueError, match="no shape"):
        descend(1, 1, np.array([0.0]), "cubic")  # type: ignore[arg-type]


def test_parents_rate() -> None:
    reuse = parse("reuse")
    assert not reuse.known
    known = reuse.after(3e-5)
    assert known == written(Cosine, max_lr=3e-5, min_lr="1%", warmup="0%")
    assert known.rates(np.array([0, 100]), 100, 1) == pytest.approx([3e-5, 3e-7])
    assert parse("continue").after(1e-4) == Constant(max_lr=1e-4)
    rewarmed = written(Cosine, max_lr=3e-4, start_lr="parent", warmup="10%").after(3e-5)
    assert rewarmed.rates(np.array([0, 5, 10]), 100, 1) == pytest.approx([3e-5, 1.65e-4, 3e-4])
    assert parse("rewarm") == written(Cosine, max_lr=3e-4, min_lr="10%", warmup="1%")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"kind": "infinite", "max_lr": 3e-4, "constant_lr": 4e-4}, "constant_lr 0.0004"),
        ({"kind": "infinite", "max_lr": 3e-4, "constant_lr": 1e-5, "min_lr": 2e-5}, "constant_lr"),
        (
            {"kind": "infinite", "max_lr": 1, "constant_lr": 0.5, "min_lr": 0, "anneal": "1%"},
            "never reached",
        ),
        ({"kind": "wsd", "max_lr": 1e-4, "min_lr": 2e-4}, "min_lr 0.0002"),
        ({"kind": "cosine", "max_lr": 1e-4, "start_lr": -1}, "start_lr"),
        ({"kind": "cosine", "max_lr": "grandparent"}, "not a number"),
        ("rewarmed", "no such schedule"),
    ],
)
def test_contradictions_are_named(data: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        parse(data)
