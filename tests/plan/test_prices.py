"""What machines cost, and dollars for workers' time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from raycl.errors import InputError
from raycl.plan.prices import MachineKind, Prices, dollars

H100 = "NVIDIA H100 80GB HBM3"


def prices(**machines: dict[str, Any]) -> Prices:
    return Prices.model_validate({"source": "made up", "date": "2026-01-01", "machines": machines})


def test_a_worker_costs_its_share_of_the_machine() -> None:
    eight = prices(a={"dollars_per_hour": 20, "workers": 8})
    assert dollars(3600 * 8, eight) == pytest.approx(20)
    assert dollars(1800, eight) == pytest.approx(1.25)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e4), st.integers(1, 64))
def test_dollars_add_up(first: float, second: float, price: float, workers: int) -> None:
    told = prices(a={"dollars_per_hour": price, "workers": workers})
    both = dollars(first + second, told)
    assert both == pytest.approx(dollars(first, told) + dollars(second, told), rel=1e-9)
    assert both >= 0


def test_the_device_decides_which_price() -> None:
    told = prices(
        small={"dollars_per_hour": 1, "device": "A100"},
        large={"dollars_per_hour": 4, "device": "H100"},
        larger={"dollars_per_hour": 9, "device": "H100"},
    )
    assert told.kind_of(H100) is told.machines["large"]  # the first that fits
    assert dollars(3600, told, H100) == 4
    assert told.kind_of("NVIDIA A1000") is None
    assert told.kind_of(None) is None
    with pytest.raises(
        InputError, match="none of these is known to be a machine with NVIDIA A1000"
    ):
        dollars(1, told, "NVIDIA A1000")


def test_the_only_kind_serves_for_what_names_no_device() -> None:
    unnamed, named = (
        prices(a={"dollars_per_hour": 1}),
        prices(a={"dollars_per_hour": 1, "device": "H100"}),
    )
    assert unnamed.kind_of(H100) is unnamed.machines["a"]
    assert unnamed.kind_of(None) is unnamed.machines["a"]
    assert named.kind_of(None) is named.machines["a"]
    assert named.kind_of("a processor") is None


def test_the_peak_is_the_devices_own_unless_given() -> None:
    kind = MachineKind.model_validate({"dollars_per_hour": 1, "device": "H100", "mfu": "40%"})
    assert kind.peak("bfloat16") == 989.4e12
    assert kind.peak("float32") == 67e12
    given_by_hand = kind.model_copy(update={"flops": 100})
    assert given_by_hand.peak("bfloat16") == 100


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("dollars_per_hour", -1, "is no price"),
        ("dollars_per_hour", "free", "not a number"),
        ("workers", 0, "greater than 0"),
        ("mfu", "140%", "not a share"),
        ("mfu", "40%", "mfu without flops"),
        ("flops", "1T", "flops without mfu"),
        ("tokens_per_second", 0, "greater than 0"),
        ("device", "", "at least 1 character"),
        ("spot", {"dollars_per_hour": 1}, "interruptions_per_hour"),
        ("spot", {"dollars_per_hour": 1, "interruptions_per_hour": -1}, "greater than or equal"),
        ("gpus", 8, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(field: str, value: object, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        prices(a={"dollars_per_hour": 1, field: value})


def test_one_assumption_at_a_time() -> None:
    with pytest.raises(ValidationError, match="keep one"):
        prices(a={"dollars_per_hour": 1, "tokens_per_second": 5, "mfu": "10%", "flops": "1T"})


def test_stages_name_kinds_of_the_file() -> None:
    with pytest.raises(ValidationError, match="no machine here"):
        Prices.model_validate(
            {
                "source": "x",
                "date": "y",
                "machines": {"a": {"dollars_per_hour": 1}},
                "stages": {"german": "b"},
            }
        )
