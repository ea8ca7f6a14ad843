"""Settings of PyTorch as a whole hold while a node trains, and no longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from raycl.train.kernels import kernels
from tests.helpers.stored_tensors import difference, tensors
from tests.helpers.training_runs import make_storage, run

CPU = torch.device("cpu")


def settings() -> tuple[bool, bool, bool, str | None]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


def failing_step() -> None:
    with kernels(CPU, deterministic=True):
        assert settings() == (True, False, False, ":4096:8")
        raise RuntimeError("a step failed")


def test_what_held_before_holds_again_even_after_an_error() -> None:
    before = settings()
    with pytest.raises(RuntimeError, match="a step failed"):
        failing_step()
    assert settings() == before


def test_a_users_own_workspace_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with kernels(CPU, deterministic=True):
        assert settings()[-1] == ":16:8"
    assert settings()[-1] == ":16:8"


def test_on_a_cpu_it_changes_no_bit(tmp_path: Path) -> None:
    with_it, without = make_storage(tmp_path / "with"), make_storage(tmp_path / "without")
    run(with_it, stop=2, deterministic=True)
    run(without, stop=2)
    assert difference(tensors(with_it, 2), tensors(without, 2)) == 0
    assert not torch.are_deterministic_algorithms_enabled()
