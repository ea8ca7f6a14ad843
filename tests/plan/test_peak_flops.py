"""Peaks of accelerators by name, and the share of them that a training uses."""

from __future__ import annotations

import pytest

from raycl.plan.peak_flops import Arithmetic, flops_utilization, peak_flops


@pytest.mark.parametrize(
    ("name", "arithmetic", "teraflops"),
    [
        ("NVIDIA A100-SXM4-80GB", "bfloat16", 312),
        ("NVIDIA A100-PCIE-40GB", "tf32", 156),
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.4),
        ("NVIDIA H100 PCIe", "bfloat16", 756),
        ("NVIDIA H100 NVL", "bfloat16", 835.5),
        ("NVIDIA H200", "float32", 67),
        ("NVIDIA B200", "bfloat16", 2250),
        ("NVIDIA A10G", "bfloat16", 70),
        ("NVIDIA A10", "bfloat16", 125),
        ("NVIDIA L4", "bfloat16", 121),
        ("NVIDIA L40S", "bfloat16", 362.05),
        ("NVIDIA GeForce RTX 4090", "bfloat16", 165.2),
        ("Tesla V100-SXM2-16GB", "float32", 15.7),
        ("Tesla T4", "float32", 8.1),
        ("AMD Instinct MI300X", "bfloat16", 1307.4),
    ],
)
def test_known_cards(name: str, arithmetic: Arithmetic, teraflops: float) -> None:
    assert peak_flops(name, arithmetic) == pytest.approx(teraflops * 1e12)


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA RTX A1000",
        "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "cpu",
    ],
)
def test_others_are_unknown(name: str) -> None:
    assert peak_flops(name, "bfloat16") is None


def test_a_card_without_the_arithmetic_is_unknown() -> None:
    assert peak_flops("Tesla T4", "bfloat16") is None


def test_utilization_is_of_all_workers_together() -> None:
    """405M at 2,048 tokens takes about 2.4e9 FLOPs a token; 180,000 a second are 44 %."""
    assert flops_utilization(2.42e9, 180e3, 989.4e12, 1) == pytest.approx(0.44, abs=0.003)
    assert flops_utilization(2.42e9, 180e3, 989.4e12, 4) == pytest.approx(0.11, abs=0.001)
