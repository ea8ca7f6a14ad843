"""What this machine computes with, and what a first recipe makes of it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from raycl.cluster import machine_speed
from raycl.errors import InputError
from raycl.recipe.starter import place as places
from raycl.recipe.starter.answers import Place


def test_matrix_products_are_measured() -> None:
    assert 1e8 < machine_speed.multiplied_flops() < 1e14


def test_gpus_are_those_of_the_drivers_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, "NVIDIA H100 80GB HBM3\n" * 2, "")

    monkeypatch.setattr(subprocess, "run", listed)
    assert machine_speed.gpu_names() == ["NVIDIA H100 80GB HBM3"] * 2
    assert places.usual_place() == "gpus"
    assert places.check_place("gpus") == Place(2, "H100")

    def missing(*_: Any, **__: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    assert machine_speed.gpu_names() == []
    assert places.usual_place() == "laptop"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NVIDIA A100-SXM4-40GB", "A100-40G"),
        ("NVIDIA A100-SXM4-80GB", "A100-80G"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090"),
    ],
)
def test_kinds_by_their_drivers_name(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "gpu_names", lambda: [name])
    place = places.check_place("gpus")
    assert place == Place(1, kind)
    assert places.speed(place).flops > 1e13


def test_speed_is_a_share_of_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.speed(Place(8, "H100")).flops == pytest.approx(0.3 * 8 * 989.4e12)
    monkeypatch.setattr(places, "multiplied_flops", lambda: 2e11)
    assert places.speed(Place()).flops == 1e11
    for place, flag in ((Place(1), "--gpu"), (Place(address="auto"), "--budget")):
        with pytest.raises(InputError, match=f"^{flag}: "):
            places.speed(place)
