"""Rows of an embedding that were certainly never trained, in every type of number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raycl.models.token_rows import TokenRows, token_rows
from raycl.models.weight_files import WeightFiles
from raycl.storage import Storage
from tests.helpers.checkpoints import safetensors_bytes

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<f4"}
FOUND = TokenRows(zero=(0, 5), broken=(2, 6), equal=((1, 4), (3, 7, 8)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/raycl/token-rows"


def table() -> np.ndarray:
    """Ten tokens of three numbers."""
    rows = np.arange(30, dtype=np.float64).reshape(10, 3) + 1
    rows[0] = 0.0
    rows[5] = [0.0, -0.0, 0.0]
    rows[2, 1], rows[6, 2] = np.nan, -np.inf
    rows[4], rows[7], rows[8] = rows[1], rows[3], rows[3]
    rows[9] = [0.0, 0.0, 1.0]
    return rows


def written(folder: Path, dtype: str, rows: np.ndarray) -> WeightFiles:
    data = rows.astype(TYPES[dtype])
    if dtype == "BF16":  # the upper halves of float32
        data = data.view("<u2")[:, 1::2]
    tensors = {"embed": (dtype, rows.shape, np.ascontiguousarray(data).tobytes())}
    (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    return WeightFiles(Storage(folder), ["model.safetensors"])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("piece", [1, 10**6])
def test_zeros_copies_and_what_is_no_number(
    dtype: str, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raycl.models.weight_files._PIECE_BYTES", piece)
    assert token_rows(written(tmp_path, dtype, table()), "embed") == FOUND


def test_trained_rows_are_not_conspicuous(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 4))
    assert token_rows(written(tmp_path, "BF16", rows), "embed") == TokenRows((), (), ())


def test_an_embedding_is_read_once(tmp_path: Path, cache: Path) -> None:
    files = written(tmp_path, "F32", table())
    assert token_rows(files, "embed", "a" * 64) == FOUND
    (tmp_path / "model.safetensors").unlink()
    assert token_rows(files, "embed", "a" * 64) == FOUND
    assert token_rows(written(tmp_path, "F32", table()[1:]), "embed", "b" * 64) != FOUND
    for damage in ("", "[]", '{"zero": null}'):
        (cache / f"{'a' * 64}.json").write_text(damage)
        assert token_rows(written(tmp_path, "F32", table()), "embed", "a" * 64) == FOUND
