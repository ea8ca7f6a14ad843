"""How fast a node trains: measured, by hand, assumed, or not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from raycl.plan.prices import Prices
from raycl.plan.speed import Measured, Speed, Workload, speed_of

WORK = Workload("model", None, 1024, 128, "bfloat16", 2)
FLOPS = 1e9


def speed(told: dict[str, Any], *measured: Measured, **others: Any) -> Speed | None:
    machines = {"a": {"dollars_per_hour": 1, **told}, **others}
    prices = Prices.model_validate({"source": "x", "date": "y", "machines": machines})
    return speed_of(WORK, FLOPS, prices.machines["a"], prices, measured)


def measured(rate: float, device: str | None = "X", **fields: Any) -> Measured:
    return Measured(replace(WORK, **fields), device, rate, 1.5)


def test_what_was_measured_comes_first_and_its_median_counts() -> None:
    found = speed({"tokens_per_second": 7}, measured(100.0), measured(110.0), measured(500.0))
    assert found == Speed(110.0, 1.5, "measured", 3)
    assert found.seconds(1100) == 15


@pytest.mark.parametrize(
    "other",
    [
        {"model": "another"},
        {"trains": "embeddings"},
        {"tokens_per_step": 2048},
        {"sequence_length": 256},
        {"precision": "float32"},
        {"workers": 4},
    ],
)
def test_other_work_says_nothing(other: dict[str, Any]) -> None:
    assert speed({}, measured(100.0, **other)) is None


def test_an_older_state_that_does_not_know_its_length_serves() -> None:
    found = speed({}, measured(100.0, None, sequence_length=None))
    assert found is not None
    assert found.basis == "measured"


def test_another_machine_says_nothing() -> None:
    other = {"b": {"dollars_per_hour": 1, "device": "K2"}}
    assert speed({"device": "K1"}, measured(100.0, "a K2 here"), **other) is None
    found = speed({"device": "K1"}, measured(100.0, "a K1 here"), **other)
    assert found is not None
    assert found.tokens_per_second == 100


def test_by_hand_is_of_one_worker() -> None:
    assert speed({"tokens_per_second": 7}) == Speed(14.0, 1.0, "by hand")


def test_what_is_assumed_follows_from_flops_and_mfu() -> None:
    # 40 % of 100 TFLOPS on two workers, at 1 GFLOP a token: 80,000 tokens a second.
    found = speed({"flops": "100T", "mfu": "40%"})
    assert found is not None
    assert found.tokens_per_second == pytest.approx(80_000)
    assert found.basis == "assumed"


def test_without_a_basis_nothing_is_invented() -> None:
    assert speed({}) is None
    # A V100 has no bfloat16.
    assert speed({"device": "V100", "mfu": "40%"}) is None
