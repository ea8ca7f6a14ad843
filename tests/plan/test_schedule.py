"""Learning rates against the paper's formulas, written out once more with Python's own cos."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from raycl.plan.schedule import Constant, Cosine, Schedule
from raycl.units import parse_length
from tests.helpers.schedules import steps_of, written

settings.register_profile("unhurried", deadline=None)  # other tests may load the machine
settings.load_profile("unhurried")

TOTAL = 132_366
RATES = st.floats(1e-7, 1.0)
WARMUPS = st.one_of(
    st.integers(0, 1000).map(lambda n: f"{n / 10}%"),
    st.integers(0, 500).map(lambda n: f"{n} steps"),
    st.integers(0, 10**6).map(lambda n: f"{n} tokens"),
)
PER_STEP = 2048


def paper_rate(t: int, total: int, warm: float, peak: float, floor: float | None) -> float:
    """Equations 1 and 2 (§1.1, §1.2); without a floor constant after the warm-up (§1.4)."""
    if warm > 0 and t <= warm:
        return peak * t / warm
    if floor is None:
        return peak
    return floor + (peak - floor) / 2 * (math.cos(math.pi * (t - warm) / (total - warm)) + 1)


def warm_steps(text: str, total: int) -> float:
    number = float(text.rstrip("%").split()[0])
    if text.endswith("%"):
        return number / 100 * total
    return number if text.endswith("steps") else number / PER_STEP


@given(st.data(), st.integers(1, 10**6), WARMUPS, RATES, st.integers(0, 100))
def test_cosine_is_the_papers(data: Any, total: int, warmup: str, peak: float, share: int) -> None:
    warm = warm_steps(warmup, total)
    assume(warm < total)
    schedule = written(Cosine, max_lr=peak, min_lr=f"{share}%", warmup=warmup)
    steps = data.draw(st.lists(st.integers(0, total - 1), min_size=1, max_size=20))
    steps += [0, total - 1, min(total - 1, int(warm)), min(total - 1, int(warm) + 1)]
    rates = schedule.rates(np.array(steps, dtype=np.float64), total, PER_STEP)
    expected = [paper_rate(t, total, warm, peak, peak * share / 100) for t in steps]
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=1e-12 * peak)
    assert (rates >= 0).all()
    assert (rates <= peak * (1 + 1e-15)).all()


@given(st.data(), st.integers(1, 10**6), WARMUPS, RATES)
def test_constant_is_the_papers(data: Any, total: int, warmup: str, peak: float) -> None:
    warm = warm_steps(warmup, total)
    assume(warm < total)
    steps = data.draw(st.lists(st.integers(0, total - 1), min_size=1, max_size=20))
    rates = written(Constant, max_lr=peak, warmup=warmup).rates(
        np.array(steps, dtype=np.float64), total, PER_STEP
    )
    expected = [paper_rate(t, total, warm, peak, None) for t in steps]
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=0)


def test_check_values_of_the_paper() -> None:
    """§1.2: 405M, T = 132,366: 2.605e-4, 1.65e-4 and 3e-5 after 25, 50 and 100 % of the decay."""
    warm = 0.01 * TOTAL
    at = np.array([warm + share * (TOTAL - warm) for share in (0.0, 0.25, 0.5, 1.0)])
    rates = written(Cosine, max_lr=3e-4, min_lr=3e-5, warmup="1%").rates(at, TOTAL, 1104 * 2048)
    np.testing.assert_allclose(rates[[0, 2, 3]], [3e-4, 1.65e-4, 3e-5], rtol=1e-12)
    assert rates[1] == pytest.approx(2.605e-4, abs=5e-8)
    whole = Cosine(max_lr=3e-4).rates(steps_of(TOTAL), TOTAL, 1104 * 2048)
    expected = [paper_rate(t, TOTAL, 1323.66, 3e-4, 3e-5) for t in range(TOTAL)]
    np.testing.assert_allclose(whole, expected, rtol=1e-12)
    assert int(np.argmax(whole)) == 1324  # T_w = 1323.66 is not rounded: no update has η_max
    assert whole[1323] == pytest.approx(3e-4 * 1323 / 1323.66, rel=1e-12)
    assert 3e-5 < whole[-1] < 3e-5 * (1 + 1e-8)  # η_T = η_min would be one step later


@pytest.mark.parametrize(
    "schedule", [Cosine(max_lr=3e-4), written(Constant, max_lr=3e-4, warmup="1%")]
)
def test_the_first_update_of_a_warm_up_is_zero(schedule: Cosine | Constant) -> None:
    rates = schedule.rates(steps_of(300), 1000, 1)
    assert rates[0] == 0.0
    assert rates[10] == 3e-4
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) <= 0).all()


@given(RATES, st.integers(0, 100), st.integers(1, 10**6), st.sampled_from(["0%", "0 steps", 0]))
def test_without_warm_up_the_first_update_has_max_lr(
    peak: float, share: int, total: int, warmup: Any
) -> None:
    cosine = written(Cosine, max_lr=peak, min_lr=f"{share}%", warmup=warmup)
    assert cosine.rates(np.array([0.0]), total, 1)[0] == pytest.approx(peak, rel=1e-15)
    assert written(Constant, max_lr=peak, warmup=warmup).rates(np.array([0.0]), total, 1)[0] == peak


@given(st.integers(2, 5000), st.integers(0, 99), RATES, st.integers(0, 100))
def test_up_then_down(total: int, warm: int, peak: float, share: int) -> None:
    schedule = written(Cosine, max_lr=peak, min_lr=f"{share}%", warmup=f"{warm}%")
    rates = schedule.rates(steps_of(total), total, 1)
    top = int(warm * total / 100)
    assert (np.diff(rates[: top + 1]) >= 0).all()
    assert (np.diff(rates[top + 1 :]) <= 1e-15 * peak).all()
    assert rates[top + 1 :].min(initial=1.0) >= schedule.floor * (1 - 1e-15)


@given(st.integers(1, 2000), st.integers(0, 100))
def test_a_warm_up_over_the_whole_stage(total: int, share: int) -> None:
    rates = written(Cosine, max_lr=1.0, min_lr=f"{share}%", warmup="100%").rates(
        steps_of(total), total, 1
    )
    np.testing.assert_allclose(rates, steps_of(total) / total, rtol=1e-12)


@given(st.integers(1, 3000), st.integers(0, 200), st.integers(1, 300), st.integers(0, 99))
def test_a_rate_has_the_same_bits_alone_and_in_any_range(
    total: int, start: int, count: int, warm: int
) -> None:
    schedule = written(Cosine, max_lr=3e-4, warmup=f"{warm}%")
    whole = schedule.rates(np.arange(total, dtype=np.float64), total, PER_STEP)
    part = schedule.rates(np.arange(start, min(start + count, total)), total, PER_STEP)
    assert part.tobytes() == whole[start : start + count].tobytes()
    one = schedule.rates(np.array(total // 2), total, PER_STEP)
    assert float(one) == whole[total // 2]


def test_a_percentage_follows_max_lr() -> None:
    floors = [Cosine(max_lr=peak, min_lr="10%").floor for peak in (1.5e-4, 3e-4, 6e-4, "1.2e-4")]
    assert floors == [1.5e-5, 3e-5, 6e-5, 1.2e-5]
    assert Cosine(max_lr=6e-4).floor == 6e-5
    assert Cosine(max_lr=6e-4, min_lr=3e-5).floor == 3e-5
    assert Cosine(max_lr=6e-4, min_lr="3e-5").floor == 3e-5
    assert Cosine(max_lr=6e-4, min_lr=0).floor == 0


class _Holder(BaseModel):
    schedule: Schedule


@given(RATES, st.integers(0, 1000), st.booleans(), WARMUPS, RATES)
def test_schedules_round_trip(
    peak: float, share: int, as_percentage: bool, warmup: str, other: float
) -> None:
    minimum: Any = f"{share / 10}%" if as_percentage else peak * share / 1000
    cosine = written(Cosine, max_lr=peak, min_lr=minimum, warmup=warmup)
    for schedule in (cosine, written(Constant, max_lr=peak, warmup=warmup)):
        holder = _Holder(schedule=schedule)
        assert _Holder.model_validate(holder.model_dump()) == holder
        assert _Holder.model_validate_json(holder.model_dump_json()) == holder
    again = Cosine.model_validate({**cosine.model_dump(), "max_lr": max(peak, other)})
    expected = max(peak, other) * share / 1000 if as_percentage else cosine.floor
    assert again.floor == pytest.approx(expected, rel=1e-12)


@given(st.integers(0, 10**15))
def test_a_warm_up_round_trips_to_the_same_bits(digits: int) -> None:
    cosine = written(Cosine, max_lr=3e-4, warmup=f"{digits}e-15")
    again = Cosine.model_validate_json(cosine.model_dump_json())
    assert again.warmup == cosine.warmup
    steps = steps_of(10)
    assert again.rates(steps, TOTAL, 1).tobytes() == cosine.rates(steps, TOTAL, 1).tobytes()


@pytest.mark.parametrize(
    "fields",
    [
        {"max_lr": 0},
        {"max_lr": -1e-4},
        {"max_lr": "1e400"},
        {"max_lr": "nan"},
        {},
        {"max_lr": 1e-4, "min_lr": 2e-4},
        {"max_lr": 1e-4, "min_lr": "101%"},
        {"max_lr": 1e-4, "min_lr": -1e-6},
        {"max_lr": 1e-4, "min_lr": "-1%"},
        {"max_lr": 1e-4, "min_lr": "1e400"},
        {"max_lr": 1e-4, "warmup": "-5 steps"},
        {"max_lr": 1e-4, "warmup": "200%"},
        {"max_lr": 1e-4, "warmup": "120"},
        {"max_lr": 1e-4, "warm_up": "1%"},
    ],
    ids=str,
)
def test_senseless_schedules_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Schedule).validate_python({"kind": "cosine", **fields})


def test_the_kind_chooses() -> None:
    parse = TypeAdapter(Schedule).validate_python
    assert isinstance(parse({"kind": "cosine", "max_lr": "3e-4"}), Cosine)
    constant = parse({"kind": "constant", "max_lr": 3e-5})
    assert constant == Constant(max_lr=3e-5)
    assert constant.phases() == {"warmup": parse_length("0%")}
    with pytest.raises(ValidationError):
        parse({"kind": "cubic", "max_lr": 1})
    with pytest.raises(ValidationError, match="frozen"):
        constant.max_lr = 1.0
